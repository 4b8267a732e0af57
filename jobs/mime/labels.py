"""Names of charsets as mailers declare them, and Python's codec for the superset that they use.

The labels are those of the WHATWG Encoding standard (encoding.spec.whatwg.org, "Names and labels"), with the charsets
that browsers no longer read and mail still holds. An unknown label is looked up again without punctuation, then
by its code page number. Python's own codec search is not used: it caches every unknown name for ever.
"""

import re

#: Python's codec -> labels. Where a browser reads a label as a superset, so does mail: gb2312 as gb18030.
_LABELS = {
    "utf_8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 utf-8-sig utf8mb4",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859_2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "iso8859_3": "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
    "iso8859_4": "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
    "iso8859_5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    "iso8859_6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e"
    " iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
    "iso8859_7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7"
    " iso_8859-7:1987 sun_eu_greek",
    "iso8859_8": "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8"
    " iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical",
    "iso8859_10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso8859_13": "iso-8859-13 iso8859-13 iso885913 l7 latin7",
    "iso8859_14": "iso-8859-14 iso8859-14 iso885914 l8 latin8",
    "iso8859_15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9 latin9 latin-9",
    "iso8859_16": "iso-8859-16 l10 latin10",
    "koi8_r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8_u": "koi8-ru koi8-u",
    "koi8_t": "koi8-t",
    "mac_roman": "csmacintosh mac macintosh x-mac-roman macroman",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian maccyrillic",
    "mac_greek": "x-mac-greek macgreek",
    "mac_latin2": "x-mac-ce x-mac-centraleurroman maccentraleurope maclatin2",
    "mac_turkish": "x-mac-turkish macturkish",
    "mac_iceland": "x-mac-icelandic maciceland",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "cp1250": "cp1250 windows-1250 x-cp1250",
    "cp1251": "cp1251 windows-1251 x-cp1251",
    "cp1252": "cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1"
    " latin1 windows-1252 x-cp1252 x-windows-1252 x-ansi ansi",
    "cp1253": "cp1253 windows-1253 x-cp1253",
    "cp1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5"
    " windows-1254 x-cp1254 iso-8859-9-e",
    "cp1255": "cp1255 windows-1255 x-cp1255",
    "cp1256": "cp1256 windows-1256 x-cp1256",
    "cp1257": "cp1257 windows-1257 x-cp1257",
    "cp1258": "cp1258 windows-1258 x-cp1258 viscii-cp1258",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030 gb18030-2022"
    " euc-cn x-euc-cn euccn csgbk ms936 windows-936",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5 big5-eten big5eten big5hk x-windows-950 windows-950",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp x-euc ujis eucjp-ms cp51932"
    " extended_unix_code_packed_format_for_japanese",
    "iso2022_jp": "csiso2022jp iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 iso-2022-jp-2004"
    " iso-2022-jp-ext iso-2022-jp-ms csiso2022jp2 jis jis7 jis_encoding csjisencoding cp50220 cp50221 cp50222",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis x-ms-cp932 cswindows31j"
    " mskanji s-jis windows-932",
    "shift_jis_2004": "shift_jis-2004 shift_jisx0213",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601"
    " windows-949 x-windows-949 uhc ks_c_5601 ksc5601-1987",
    "johab": "johab",
    "iso2022_kr": "csiso2022kr iso-2022-kr",
    "iso2022_cn": "iso-2022-cn iso-2022-cn-ext",
    "hz": "hz-gb-2312 hz",
    "utf_7": "utf-7 unicode-1-1-utf-7 csunicode11utf7 x-unicode-2-0-utf-7 utf7-imap",
    "utf_16_be": "utf-16be unicodefffe",
    "utf_16": "utf-16 csunicode iso-10646-ucs-2 ucs-2 unicode",
    "utf_16_le": "utf-16le unicodefeff",
    "utf_32": "utf-32 iso-10646-ucs-4 ucs-4",
    "utf_32_be": "utf-32be",
    "utf_32_le": "utf-32le",
    "hp_roman8": "hp-roman8 roman8 r8 cshproman8",
    "kz1048": "kz-1048 strk1048-2002 rk1048",
    "ptcp154": "ptcp154 csptcp154 pt154 cyrillic-asian",
}

#: Meaningless for bytes above 127, whose charset is guessed as without a declaration.
_SILENT = (
    "us-ascii ascii ansi_x3.4-1968 ansi_x3.4-1986 iso-ir-6 iso_646.irv:1991 iso646-us us csascii ibm367 cp367"
    " 7bit 8bit 7-bit 8-bit binary unknown-8bit x-unknown unknown default none"
    " x-user-defined us-ascii-text"
)

#: Code pages that Python knows as "cp" and the number, and those that it knows by another name.
_PAGES = {
    str(page): f"cp{page}"
    for page in (
        *(37, 273, 424, 437, 500, 720, 737, 775, 850, 852, 855, 856, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869),
        *(874, 875, 932, 949, 1006, 1026, 1125, 1140, *range(1250, 1259)),
    )
} | {
    "819": "cp1252",
    "936": "gb18030",
    "950": "big5hkscs",
    "1200": "utf_16_le",
    "1201": "utf_16_be",
    "1361": "johab",
    "10000": "mac_roman",
    "10006": "mac_greek",
    "10007": "mac_cyrillic",
    "10029": "mac_latin2",
    "10079": "mac_iceland",
    "10081": "mac_turkish",
    "20127": "",
    "20866": "koi8_r",
    "20932": "euc_jp",
    "20936": "gb18030",
    "20949": "cp949",
    "21866": "koi8_u",
    "38598": "iso8859_8",
    "50220": "iso2022_jp",
    "50221": "iso2022_jp",
    "50222": "iso2022_jp",
    "50225": "iso2022_kr",
    "50227": "iso2022_cn",
    "51932": "euc_jp",
    "51936": "gb18030",
    "51949": "cp949",
    "52936": "hz",
    "54936": "gb18030",
    "65000": "utf_7",
    "65001": "utf_8",
}

_PUNCTUATION = re.compile(r"[^a-z0-9]+")
_PAGE = re.compile(r"(?:x|cs)?(?:cp|ibm|ms|dos|oem|windows|win|codepage)?0{0,3}([1-9][0-9]{1,4})")
_ISO_8859 = re.compile(r"(?:x|cs)?(?:iso)?8859([1-9][0-9]?)(?:[0-9]{4})?")
#: Windows' numbers of the parts of ISO 8859.
_ISO_PAGE = re.compile(r"(?:cp|ibm|windows)?28(59[1-9]|60[0-6])")

_BY_LABEL = {label: codec for codec, labels in _LABELS.items() for label in labels.split()} | dict.fromkeys(
    _SILENT.split(), ""
)
_SQUEEZED = {_PUNCTUATION.sub("", label): codec for label, codec in _BY_LABEL.items()}
#: No charset has a longer name; the bound keeps the cache small for hostile mail.
_LONGEST = 80


def codec_of(label: str) -> str | None:
    """Python's codec for a declared charset: "" when it tells nothing, None when it is not known."""
    name = label.strip(" \t\r\n\f\v\"'`<>.,;:()[]").lower()[:_LONGEST]
    if not name:
        return ""
    found = _BY_LABEL.get(name)
    if found is not None:
        return found
    squeezed = _PUNCTUATION.sub("", name)
    for spelling in (squeezed, squeezed.removeprefix("x"), squeezed.removeprefix("cs"), squeezed.removeprefix("x")[2:]):
        found = _SQUEEZED.get(spelling) if spelling else None
        if found is not None:
            return found
    return _by_number(squeezed)


def _by_number(squeezed: str) -> str | None:
    iso = _ISO_8859.fullmatch(squeezed)
    if iso:
        return _SQUEEZED.get("iso8859" + iso[1])
    iso = _ISO_PAGE.fullmatch(squeezed)
    if iso:
        return _SQUEEZED.get(f"iso8859{int(iso[1]) - 590}")
    page = _PAGE.fullmatch(squeezed)
    return _PAGES.get(page[1]) if page else None
