"""Words for generated mail: subjects, sentences and names in many languages, and the charsets these were sent in."""

from typing import NamedTuple


class Tongue(NamedTuple):
    """How one language writes mail."""

    code: str
    charsets: tuple[str, ...]
    people: tuple[str, ...]
    subjects: tuple[str, ...]
    sentences: tuple[str, ...]


TONGUES = (
    Tongue(
        "en",
        ("us-ascii", "utf-8", "windows-1252"),
        ("Alice Morgan", "Ben Carter", "Priya Shah"),
        ("Minutes of Tuesday's meeting", "Flight to Lisbon", "Draft of the contract"),
        (
            "Please find the minutes of our meeting below.",
            "The flight leaves at ten past nine from gate B12.",
            "Could you look over section four before Friday?",
            "I have moved our call to Thursday afternoon.",
        ),
    ),
    Tongue(
        "de",
        ("iso-8859-1", "utf-8", "windows-1252"),
        ("Jürgen Groß", "Käthe Müller"),
        ("Übergabe der Schlüssel", "Angebot für die Küche", "Grüße aus Köln"),
        (
            "Anbei schicke ich Ihnen die geänderten Pläne für das Gebäude.",
            "Können wir uns nächsten Donnerstag um zehn Uhr treffen?",
            "Die Straße vor dem Büro ist bis März gesperrt.",
        ),
    ),
    Tongue(
        "fr",
        ("iso-8859-1", "utf-8", "windows-1252"),
        ("Hélène Lefèvre", "François Noël"),
        ("Réunion de février", "Votre réservation à l'hôtel", "Ça marche pour l'été"),
        (
            "Je vous envoie le compte rendu de la dernière réunion.",
            "Le train arrive à la gare à dix-huit heures.",
            "N'oubliez pas d'apporter les pièces demandées.",
        ),
    ),
    Tongue(
        "es",
        ("iso-8859-1", "utf-8"),
        ("José Ibáñez", "María Núñez"),
        ("Cotización para el año próximo", "¿Nos vemos mañana?", "Cambio de dirección"),
        (
            "Le adjunto la cotización que pidió la semana pasada.",
            "¿Podría confirmar la dirección de la oficina en Málaga?",
            "El niño empieza el colegio en otoño.",
        ),
    ),
    Tongue(
        "pl",
        ("iso-8859-2", "utf-8"),
        ("Łukasz Wiśniewski", "Małgorzata Żak"),
        ("Zamówienie części", "Spotkanie w środę"),
        ("Proszę o potwierdzenie zamówienia do końca tygodnia.", "Przesyłka dotarła dziś rano."),
    ),
    Tongue(
        "ru",
        ("koi8-r", "windows-1251", "utf-8"),
        ("Ольга Смирнова", "Иван Кузнецов"),
        ("Отчёт за третий квартал", "Приглашение на семинар"),
        (
            "Высылаю отчёт за третий квартал, как договорились.",
            "Семинар начинается в понедельник в десять утра.",
            "Сообщите, пожалуйста, номер договора.",
        ),
    ),
    Tongue(
        "ja",
        ("iso-2022-jp", "utf-8", "shift_jis", "euc-jp"),
        ("山田太郎", "佐藤花子"),
        ("会議の議事録", "ご注文の確認", "来週の予定について"),
        (
            "お世話になっております。議事録をお送りします。",
            "来週の火曜日に打ち合わせをお願いできますか。",
            "ご注文の品は明日発送いたします。",
        ),
    ),
    Tongue(
        "zh",
        ("gb18030", "utf-8", "big5"),
        ("王小明", "李美玲"),
        ("合同草案", "你好世界", "下周的安排"),
        ("附件是合同草案。", "我們下周在上海見面。", "你好,我想問這件事情。"),
    ),
    Tongue(
        "ko",
        ("euc-kr", "utf-8"),
        ("김민수", "이영희"),
        ("회의록 전달", "주문 확인"),
        ("회의록을 보내 드립니다.", "다음 주 화요일에 만날 수 있을까요?", "주문하신 상품이 발송되었습니다."),
    ),
    Tongue(
        "ar",
        ("windows-1256", "utf-8"),
        ("أحمد حسن", "ليلى منصور"),
        ("موعد الاجتماع", "تأكيد الحجز"),
        ("نرسل إليكم محضر الاجتماع.", "يرجى تأكيد الموعد قبل يوم الخميس."),
    ),
    Tongue(
        "el",
        ("iso-8859-7", "utf-8"),
        ("Γιώργος Παππάς", "Ελένη Νικολάου"),
        ("Πρόσκληση σε γεύμα", "Αλλαγή ώρας"),
        ("Η συνάντηση μεταφέρεται στις έντεκα.", "Σας στέλνω τα έγγραφα που ζητήσατε."),
    ),
)
