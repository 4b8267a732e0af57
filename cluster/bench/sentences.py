"""Sentences in many languages, from the length of a subject to that of a message, to measure language detection."""

#: Language -> texts as in mail: four short ones, three of one sentence, one of several sentences.
SENTENCES: dict[str, tuple[str, ...]] = {
    "en": (
        *("See you tomorrow morning", "Thanks for your help", "Please call me back", "The invoice is attached"),
        "Could you send me the report before the meeting on Thursday afternoon?",
        "We have moved the appointment to next week because half of the team is ill.",
        "I am looking forward to seeing all of you at the conference in September.",
        "Dear all, the new office is open. Please bring your keys with you, and tell me if something is missing.",
    ),
    "de": (
        *("Bis morgen früh dann", "Danke für deine Hilfe", "Bitte rufen Sie zurück", "Die Rechnung liegt bei"),
        "Könnten Sie mir den Bericht noch vor der Besprechung am Donnerstag schicken?",
        "Wir haben den Termin auf nächste Woche verschoben, weil die Hälfte der Mannschaft krank ist.",
        "Ich freue mich darauf, euch alle im September auf der Tagung zu sehen.",
        "Liebe alle, das neue Büro ist offen. Bitte bringt eure Schlüssel mit und sagt mir, wenn etwas fehlt.",
    ),
    "fr": (
        *("À demain matin alors", "Merci pour votre aide", "Rappelez-moi s'il vous plaît", "La facture est jointe"),
        "Pourriez-vous m'envoyer le rapport avant la réunion de jeudi après-midi ?",
        "Nous avons reporté le rendez-vous à la semaine prochaine parce que la moitié de l'équipe est malade.",
        "Je me réjouis de vous voir tous à la conférence en septembre.",
        "Bonjour à tous, le nouveau bureau est ouvert. Apportez vos clés et dites-moi s'il manque quelque chose.",
    ),
    "es": (
        *("Hasta mañana por la mañana", "Gracias por tu ayuda", "Llámame cuando puedas", "Adjunto la factura"),
        "¿Podrías enviarme el informe antes de la reunión del jueves por la tarde?",
        "Hemos aplazado la cita a la próxima semana porque la mitad del equipo está enferma.",
        "Tengo muchas ganas de veros a todos en la conferencia de septiembre.",
        "Hola a todos, la nueva oficina está abierta. Traed vuestras llaves y decidme si falta algo.",
    ),
    "it": (
        *("Ci vediamo domani mattina", "Grazie per il tuo aiuto", "Richiamami per favore", "La fattura è allegata"),
        "Potresti mandarmi la relazione prima della riunione di giovedì pomeriggio?",
        "Abbiamo spostato l'appuntamento alla prossima settimana perché metà della squadra è malata.",
        "Non vedo l'ora di incontrarvi tutti alla conferenza di settembre.",
        "Ciao a tutti, il nuovo ufficio è aperto. Portate le chiavi e ditemi se manca qualcosa.",
    ),
    "pt": (
        *("Até amanhã de manhã", "Obrigado pela sua ajuda", "Ligue para mim depois", "A fatura está em anexo"),
        "Você poderia me enviar o relatório antes da reunião de quinta-feira à tarde?",
        "Adiamos o compromisso para a próxima semana porque metade da equipe está doente.",
        "Estou ansioso para ver todos vocês na conferência em setembro.",
        "Olá a todos, o novo escritório está aberto. Tragam as suas chaves e digam-me se falta alguma coisa.",
    ),
    "nl": (
        *("Tot morgenochtend dan", "Bedankt voor je hulp", "Bel me alsjeblieft terug", "De factuur is bijgevoegd"),
        "Kun je mij het verslag sturen voor de vergadering van donderdagmiddag?",
        "We hebben de afspraak verplaatst naar volgende week omdat de helft van het team ziek is.",
        "Ik kijk ernaar uit jullie allemaal te zien op de conferentie in september.",
        "Beste allemaal, het nieuwe kantoor is open. Neem jullie sleutels mee en zeg het me als er iets ontbreekt.",
    ),
    "sv": (
        *("Vi ses i morgon bitti", "Tack för din hjälp", "Ring mig gärna tillbaka", "Fakturan är bifogad"),
        "Kan du skicka rapporten till mig före mötet på torsdag eftermiddag?",
        "Vi har flyttat mötet till nästa vecka eftersom hälften av laget är sjukt.",
        "Jag ser fram emot att träffa er alla på konferensen i september.",
        "Hej alla, det nya kontoret är öppet. Ta med era nycklar och säg till mig om något saknas.",
    ),
    "pl": (
        *("Do zobaczenia jutro rano", "Dziękuję za pomoc", "Proszę oddzwonić do mnie", "Faktura jest w załączniku"),
        "Czy możesz mi przesłać raport przed czwartkowym spotkaniem po południu?",
        "Przenieśliśmy spotkanie na przyszły tydzień, ponieważ połowa zespołu jest chora.",
        "Nie mogę się doczekać spotkania z wami wszystkimi na konferencji we wrześniu.",
        "Cześć wszystkim, nowe biuro jest otwarte. Zabierzcie klucze i powiedzcie mi, jeśli czegoś brakuje.",
    ),
    "tr": (
        *("Yarın sabah görüşürüz", "Yardımın için teşekkürler", "Lütfen beni geri ara", "Fatura ektedir"),
        "Perşembe öğleden sonraki toplantıdan önce raporu bana gönderebilir misin?",
        "Ekibin yarısı hasta olduğu için randevuyu gelecek haftaya erteledik.",
        "Eylül ayındaki konferansta hepinizi görmeyi dört gözle bekliyorum.",
        "Herkese merhaba, yeni ofis açıldı. Lütfen anahtarlarınızı getirin ve bir şey eksikse bana söyleyin.",
    ),
    "ru": (
        *("До встречи завтра утром", "Спасибо за вашу помощь", "Перезвоните мне пожалуйста", "Счёт во вложении"),
        "Не могли бы вы прислать мне отчёт до совещания в четверг днём?",
        "Мы перенесли встречу на следующую неделю, потому что половина команды болеет.",
        "Я с нетерпением жду встречи со всеми вами на конференции в сентябре.",
        "Всем привет, новый офис открыт. Возьмите с собой ключи и скажите мне, если чего-то не хватает.",
    ),
    "ja": (
        *("また明日の朝会いましょう", "ご協力ありがとうございます", "折り返しお電話ください", "請求書を添付します"),
        "木曜日の午後の会議の前に報告書を送っていただけますか。",
        "チームの半分が病気なので、約束を来週に延期しました。",
        "九月の会議で皆さんにお会いできることを楽しみにしています。",
        "皆さん、新しい事務所が開きました。鍵を持ってきてください。何か足りなければ教えてください。",
    ),
    "zh": (
        *("明天早上见吧我的朋友们", "非常感谢你的帮助和支持", "请尽快给我回个电话好吗", "发票已经附在这封邮件里"),
        "你能在星期四下午的会议之前把报告发给我吗？",
        "因为团队一半的人生病了，我们把约会推迟到下周。",
        "我期待在九月的会议上见到你们所有人。",
        "大家好，新办公室已经开放了。请带上你们的钥匙，如果缺少什么请告诉我。",
    ),
    "ar": (
        *("أراك غدا صباحا إن شاء الله", "شكرا جزيلا على مساعدتك", "من فضلك اتصل بي لاحقا", "الفاتورة مرفقة مع الرسالة"),
        "هل يمكنك أن ترسل لي التقرير قبل اجتماع يوم الخميس بعد الظهر؟",
        "لقد أجلنا الموعد إلى الأسبوع القادم لأن نصف الفريق مريض.",
        "أتطلع إلى رؤيتكم جميعا في المؤتمر في شهر سبتمبر.",
        "مرحبا بالجميع، المكتب الجديد مفتوح. أحضروا مفاتيحكم من فضلكم وأخبروني إذا كان هناك شيء ناقص.",
    ),
}
SHORT, SENTENCE = 4, 3
