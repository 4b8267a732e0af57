"""What Gmail's own labels are called in the languages of its interface: Takeout writes these names. Pure.

Written from knowledge of these languages and the words of `jobs/restoring/labels.py`; not compared with
Gmail's interface. A name that is missing here becomes a label of the owner's, which the import reports.
"""

#: Language -> names of INBOX, SENT, DRAFT, TRASH, SPAM, STARRED, IMPORTANT, UNREAD; alternatives are parted by "|".
_LANGUAGES: dict[str, str] = {
    "en": "Inbox, Sent|Sent Mail, Draft|Drafts, Trash|Bin, Spam|Junk, Starred, Important, Unread",
    "de": "Posteingang, Gesendet, Entwurf|Entwürfe, Papierkorb, Spam, Markiert, Wichtig, Ungelesen",
    "fr": "Boîte de réception, Messages envoyés|Envoyés, Brouillons|Brouillon, Corbeille, Spam|Pourriel,"
    " Suivis|Messages suivis, Important|Importants, Non lus|Non lu",
    "es": "Recibidos|Bandeja de entrada, Enviados|Enviado, Borradores|Borrador, Papelera, Spam, Destacados,"
    " Importantes|Importante, No leídos|No leído|Sin leer",
    "it": "Posta in arrivo, Posta inviata|Inviati, Bozze|Bozza, Cestino, Spam, Speciali, Importanti|Importante,"
    " Da leggere|Non letti",
    "pt": "Caixa de entrada|Entrada, E-mails enviados|Enviados|Enviado|Correio enviado, Rascunhos|Rascunho,"
    " Lixeira|Lixo,"
    " Spam, Com estrela, Importante|Importantes, Não lidas|Não lidos|Não lida",
    "nl": "Postvak IN|Inbox, Verzonden|Verzonden berichten, Concepten|Concept, Prullenbak, Spam, Met ster,"
    " Belangrijk, Ongelezen",
    "pl": "Odebrane, Wysłane, Wersje robocze|Wersja robocza, Kosz, Spam, Oznaczone gwiazdką, Ważne, Nieprzeczytane",
    "ru": "Входящие, Отправленные, Черновики|Черновик, Корзина, Спам, Помеченные, Важное|Важные,"
    " Непрочитанные|Непрочитано",
    "uk": "Вхідні, Надіслані, Чернетки|Чернетка, Кошик, Спам, Із зірочкою, Важливо|Важливі, Непрочитані",
    "ja": "受信トレイ, 送信済みメール|送信済み, 下書き, ゴミ箱, 迷惑メール, スター付き, 重要, 未読",
    "zh-CN": "收件箱, 已发邮件|已发送邮件|已发送, 草稿, 已删除邮件, 垃圾邮件, 已加星标, 重要|重要邮件, 未读",
    "zh-TW": "收件匣, 寄件備份, 草稿, 垃圾桶, 垃圾郵件, 已加星號, 重要|重要郵件, 未讀|未讀取",
    "ko": "받은편지함, 보낸편지함, 임시보관함, 휴지통, 스팸함|스팸, 별표편지함, 중요|중요편지함, 읽지않음|읽지 않음",
    "tr": "Gelen Kutusu, Gönderilmiş Postalar|Gönderilmiş|Gönderildi, Taslaklar|Taslak, Çöp Kutusu|Çöp, Spam,"
    " Yıldızlı,"
    " Önemli, Okunmamış",
    "sv": "Inkorgen|Inkorg, Skickat|Skickade mejl, Utkast, Papperskorgen, Skräppost, Stjärnmärkt, Viktigt,"
    " Oläst|Olästa",
    "da": "Indbakke, Sendt|Sendte mails|Sendte e-mails, Kladder|Kladde, Papirkurv, Spam, Stjernemarkeret,"
    " Vigtigt|Vigtig,"
    " Ulæst",
    "no": "Innboks, Sendt|Sendt e-post, Utkast, Papirkurv, Søppelpost, Stjernemerket, Viktig, Ulest",
    "fi": "Saapuneet|Postilaatikko, Lähetetyt|Lähetetty, Luonnokset|Luonnos, Roskakori, Roskaposti, Tähdellä merkityt,"
    " Tärkeä|Tärkeät, Lukemattomat|Lukematon",
    "cs": "Doručená pošta|Doručené, Odeslaná pošta|Odeslané, Koncepty|Koncept, Koš, Spam, S hvězdičkou, Důležité,"
    " Nepřečtené",
    "sk": "Doručená pošta|Doručené, Odoslaná pošta|Odoslané, Koncepty|Rozpísané, Kôš, Spam, S hviezdičkou, Dôležité,"
    " Neprečítané",
    "hu": "Beérkező levelek|Beérkezett üzenetek, Elküldött levelek|Elküldött, Piszkozatok|Piszkozat, Kuka, Spam,"
    " Csillagozott,"
    " Fontos, Olvasatlan",
    "ro": "Mesaje primite, Mesaje trimise|Trimise, Mesaje nefinalizate|Schițe, Coș de gunoi, Spam, Cu stea,"
    " Importante|Important,"
    " Necitite",
    "bg": "Входяща поща, Изпратена поща|Изпратени, Чернови, Кошче, Спам, Със звезда, Важни, Непрочетени",
    "el": "Εισερχόμενα, Απεσταλμένα, Πρόχειρα, Κάδος απορριμμάτων|Κάδος, Ανεπιθύμητα, Με αστέρι, Σημαντικά,"
    " Μη αναγνωσμένα",
    "hr": "Pristigla pošta|Ulazni spremnik, Poslano|Poslana pošta, Skice, Otpad|Smeće, Neželjena pošta,"
    " Označeno zvjezdicom,"
    " Važno, Nepročitano",
    "sr": "Примљене|Пријемно сандуче, Послате|Послато, Недовршене|Радне верзије, Отпад, Непожељне, Са звездицом,"
    " Важно,"
    " Непрочитано",
    "sl": "Prejeto, Poslano|Poslana pošta, Osnutki, Smeti|Koš, Vsiljena pošta, Z zvezdico, Pomembno, Neprebrano",
    "lt": "Gautieji|Gauti laiškai, Išsiųsta|Išsiųsti laiškai, Juodraščiai, Šiukšliadėžė|Šiukšlės, Šlamštas,"
    " Pažymėta žvaigždute, Svarbu|Svarbūs, Neskaityta|Neskaityti",
    "lv": "Iesūtne, Nosūtītās vēstules|Nosūtīts, Melnraksti, Miskaste|Atkritne, Mēstules, Ar zvaigznīti, Svarīgi,"
    " Nelasītas",
    "et": "Sisendkaust|Postkast, Saadetud kirjad|Saadetud, Mustandid, Prügikast, Rämpspost, Tärniga, Tähtis|Tähtsad,"
    " Lugemata",
    "ca": "Safata d'entrada, Enviats, Esborranys, Paperera, Correu brossa, Destacats, Important|Importants, No llegits",
    "vi": "Hộp thư đến, Thư đã gửi|Đã gửi, Thư nháp|Bản nháp, Thùng rác, Thư rác|Spam, Có gắn dấu sao|Có dấu sao,"
    " Quan trọng, Chưa đọc",
    "th": "กล่องจดหมาย, จดหมายที่ส่งแล้ว|ส่งแล้ว, ร่างจดหมาย, ถังขยะ, จดหมายขยะ|สแปม, ติดดาว, สำคัญ, ยังไม่ได้อ่าน",
    "id": "Kotak Masuk, Surat Terkirim|Terkirim, Draf, Sampah|Tong Sampah, Spam, Berbintang, Penting, Belum Dibaca",
    "ms": "Peti Masuk, Mel Dihantar|Dihantar, Draf, Sampah, Spam, Berbintang, Penting, Belum Dibaca",
    "ar": "البريد الوارد, البريد المرسل|المرسلة, المسودات|مسودات, المهملات, الرسائل غير المرغوب فيها|غير مرغوب فيها,"
    " المميزة بنجمة|مميز بنجمة, مهم|المهمة, غير المقروءة|غير مقروءة",
    "he": "דואר נכנס, דואר יוצא|דואר שנשלח, טיוטות|טיוטה, אשפה, ספאם|דואר זבל, מסומן בכוכב, חשוב, שלא נקראו|לא נקרא",
    "fa": "صندوق دریافت, نامه‌های ارسالی|ارسال شده, پیش‌نویس‌ها|پیش‌نویس, زباله‌دان, هرزنامه, ستاره‌دار, مهم, خوانده نشده",
    "hi": "इनबॉक्स, भेजे गए|भेजी गई मेल, ड्राफ़्ट, ट्रैश, स्पैम, तारांकित, महत्वपूर्ण, नहीं पढ़े गए|अपठित",
}
LABELS = ("INBOX", "SENT", "DRAFT", "TRASH", "SPAM", "STARRED", "IMPORTANT", "UNREAD")

#: Takeout's names of states that Gmail has no label for.
_NOTHING = (
    "opened, archived, all mail, geöffnet, archiviert, ouvert, archivés, archivé, abierto, archivado, archivados,"
    " aperto,"
    " archiviata, archiviati, aberta, aberto, arquivado, arquivada, geopend, gearchiveerd, otwarte, zarchiwizowane,"
    " открытые, открыто, архив, 開封済み, アーカイブ済み, 已打开, 已归档, 已開啟, 已封存, 열림, 보관됨"
)
#: Takeout's categories, in English and German.
_CATEGORIES = {
    "CATEGORY_PERSONAL": "category personal, kategorie „allgemein“",
    "CATEGORY_PROMOTIONS": "category promotions, kategorie „werbung“",
    "CATEGORY_SOCIAL": "category social, kategorie „soziale netzwerke“",
    "CATEGORY_UPDATES": "category updates, kategorie „benachrichtigungen“",
    "CATEGORY_FORUMS": "category forums, kategorie „foren“",
}


def _key(name: str) -> str:
    return name.strip().casefold()


def _names() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for names in _LANGUAGES.values():
        for label, alternatives in zip(LABELS, names.split(","), strict=True):
            for name in alternatives.split("|"):
                found.setdefault(_key(name), label)
    for label, text in _CATEGORIES.items():
        found |= {_key(name): label for name in text.split(",")}
    found |= {_key(name): None for name in _NOTHING.split(",")}
    system = (*LABELS, *_CATEGORIES, "CHAT")
    return found | {_key(label): label for label in system} | {"chat": "CHAT", "chats": "CHAT"}


#: Name in lower case -> id of Gmail's label; None: no label says so.
SYSTEM = _names()


def system_label(name: str) -> tuple[bool, str | None]:
    """Whether a name is one of Gmail's own, and the label's id; None: it is a state without a label."""
    key = _key(name)
    return key in SYSTEM, SYSTEM.get(key)
