use fastrand::Rng;

use super::*;

fn refusal(typed: &str) -> Refusal {
    match Name::parse(typed) {
        Ok(name) => panic!("{typed:?} is accepted as {name:?}"),
        Err(refusal) => refusal,
    }
}

fn same(one: &str, other: &str) -> bool {
    Key::of(one) == Key::of(other)
}

/// Any character; most are from the blocks that hold the alphabets.
fn any_char(random: &mut Rng) -> char {
    let ends = [0x80, 0x250, 0x700, 0x1100, 0x2000, 0x1_0000, 0x2_0000, 0x11_0000];
    let end = ends[random.usize(..ends.len())];
    char::from_u32(random.u32(..end)).unwrap_or('\u{ff41}')
}

/// All of Unicode, but only some of what is alike: Han, Hangul, and the planes that hold no letters (4 to 16).
fn every_character() -> impl Iterator<Item = char> {
    let alike = |char| matches!(char, '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{20000}'..);
    ('\0'..=char::MAX).filter(move |&char| !alike(char) || char as u32 % 97 == 0)
}

/// What the contract promises of every name, said apart from the code that keeps it.
fn assert_obeys_the_rules(name: &Name) {
    let text = name.as_str();
    let first = text.chars().next().expect("a name is not empty");
    assert!((1..=24).contains(&text.chars().count()), "{text:?}");
    assert!(first.is_alphanumeric() && first.width() != Some(0), "{text:?}");
    assert!(!text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  "), "{text:?}");
    for char in text.chars() {
        let mark = char.width() == Some(0) && ('\u{591}'..'\u{1800}').contains(&char);
        // Karen and Shan tone marks take a column and count as no letters.
        let tone = ('\u{1063}'..='\u{109b}').contains(&char);
        assert!(char.is_alphanumeric() || mark || tone || " _-.'".contains(char), "{text:?}");
        assert!(mark || char.width() > Some(0), "{text:?}");
        assert!(!['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'].contains(&char), "{text:?}");
        assert!(crate::text::line::clean(text) == text, "{text:?}");
    }
    let key = name.key();
    assert_eq!(Key::of(text), key);
    assert_eq!(Key::of(&key.0), key, "{text:?} folds twice");
    for capitals in [text.to_uppercase(), text.to_lowercase()] {
        assert_eq!(Key::of(&capitals), key, "{text:?} and {capitals:?}");
    }
    for reserved in ["server", "system", "operator", "admin", "dynasti", "everyone", "all", "you"] {
        assert_ne!(&*key.0, reserved, "{text:?}");
    }
    for words in ["join with", "server listening", "or open", "this is", "shutting down"] {
        assert!(!key.0.starts_with(words) && !text.to_lowercase().starts_with(words), "{text:?}");
    }
    for words in ["has joined the chat", "has left the chat", "is now known as"] {
        assert!(!key.0.contains(words) && !text.to_lowercase().contains(words), "{text:?}");
    }
    let ascii = key.0.contains(|char: char| char.is_ascii_lowercase());
    let greek_or_cyrillic = key.0.contains(|char| matches!(char, '\u{370}'..='\u{52f}' | '\u{1f00}'..='\u{1fff}'));
    assert!(!(ascii && greek_or_cyrillic), "{text:?}");
}

#[test]
#[rustfmt::skip]
fn names_of_many_peoples() {
    for name in [
        "Ann", "A", "7", "Jean-Luc", "o.k.", "Ann_2", "x y z", "Zoë", "Ångström", "Łukasz", "Şükrü İnönü",
        "Straße", "Nguyễn Thị Hương", "Əli", "Ɔkɛ", "Χρήστος", "Иван Йовков", "Ґалаґан", "Արամ", "დავით", "ᏣᎳᎩ",
        "አበበ", "משה", "שָׂרָה", "محمد", "مُحَمَّد", "آیدا", "گُل", "فاطمه ۲", "ވިލާ", "ܐܒܐ", "सुमित्रा", "फ़ैज़",
        "हर्षवर्धन", "রাজেশ", "ক্ষুদিরাম", "ਗੁਰਪ੍ਰੀਤ", "પ્રિયા", "ଓଡ଼ିଆ", "கார்த்திக்", "ஃபாத்திமா",
        "శ్రీనివాస్", "ಕೃಷ್ಣ", "ശ്രീജിത്ത്", "නිමල්", "สมศักดิ์", "น้ำฝน", "ຄຳ", "བསྟན", "အောင်ဆန်း", "ချို",
        "សុខា", "ស្រី", "ᠪᠠᠲᠤ", "山田太郎", "さくら", "ガガーリン", "김철수", "ㅋㅋ", "𠮷野家", "𞤀𞤣𞤤𞤢𞤥", "Ann 山田", "Ａｎｎ",
    ] {
        match Name::parse(name) {
            Ok(parsed) => {
                assert_eq!(parsed.as_str(), name);
                assert_obeys_the_rules(&parsed);
            }
            Err(refusal) => panic!("{name:?}: {refusal}"),
        }
    }
}

#[test]
fn spaces_are_trimmed_and_collapsed() {
    for typed in ["Ann Lee", "  Ann Lee ", "Ann\t \u{a0}Lee\r", "\u{3000}Ann\u{2003}Lee\u{2028}"] {
        assert_eq!(Name::parse(typed).map(|name| name.to_string()), Ok("Ann Lee".into()), "{typed:?}");
    }
    for typed in ["", " ", "\t \u{a0}\u{3000}\u{2028}"] {
        assert_eq!(refusal(typed), Refusal::Empty);
    }
}

#[test]
fn a_letter_and_its_accent_become_one_letter_where_there_is_one() {
    for (typed, name) in [
        ("Jose\u{301}", "José"),
        ("Zoe\u{308}", "Zoë"),
        ("A\u{30a}ngstro\u{308}m", "Ångström"),
        ("S\u{327}u\u{308}kru\u{308} I\u{307}no\u{308}nu\u{308}", "Şükrü İnönü"),
        ("Nguye\u{302}\u{303}n Thi\u{323} Hu\u{31b}o\u{31b}ng", "Nguyễn Thị Hương"),
        ("Vie\u{323}\u{302}t", "Việt"),
        ("И\u{306}овков", "Йовков"),
        ("Χρη\u{301}στος", "Χρήστος"),
        ("か\u{3099}ハ\u{309a}", "がパ"),
    ] {
        assert_eq!(Name::parse(typed).map(|name| name.to_string()), Ok(name.into()), "{typed:?}");
        assert!(same(typed, name), "{typed:?}");
    }
    // What is composed counts as one character.
    assert!(Name::parse(&"e\u{301}".repeat(24)).is_ok());
    assert_eq!(refusal(&"e\u{301}".repeat(25)), Refusal::TooLong);
}

#[test]
fn every_letter_of_the_table_is_one_that_a_name_may_have() {
    for (mark, letters) in COMPOSED {
        let letters: Vec<char> = letters.chars().collect();
        for pair in letters.chunks(2) {
            let [without, with] = pair[..] else { panic!("{mark:?}: no pair") };
            let name = Name::parse(&format!("{without}{mark}")).unwrap_or_else(|refusal| panic!("{with}: {refusal}"));
            assert_eq!(name.as_str(), with.to_string());
            assert_obeys_the_rules(&name);
        }
    }
}

#[test]
fn an_apostrophe_may_stand_between_two_letters() {
    for typed in ["O'Brien", "O’Brien", "O\u{2bc}Brien"] {
        assert_eq!(Name::parse(typed).map(|name| name.to_string()), Ok("O'Brien".into()));
        assert!(same(typed, "o'BRIEN"));
    }
    for typed in ["D'Artagnan", "Ann's", "В'ячеслав", "L'O'L", "कि'म", "Ə'la"] {
        assert!(Name::parse(typed).is_ok(), "{typed:?}");
    }
    assert!(!same("O'Brien", "OBrien"));
}

#[test]
fn twenty_four_characters_are_the_most() {
    assert!(Name::parse(&"x".repeat(24)).is_ok());
    assert!(Name::parse(&format!("  {}  {} ", "x".repeat(12), "山".repeat(11))).is_ok());
    assert_eq!(refusal(&"x".repeat(25)), Refusal::TooLong);
    assert_eq!(refusal(&"山".repeat(25)), Refusal::TooLong);
}

#[test]
#[rustfmt::skip]
fn only_letters_digits_and_a_little_punctuation() {
    for typed in [
        "Ann!", "<Ann>", "[SERVER]", "a:b", "a/b", "a\"b", "a*", "😀", "Ann 👍🏽", "a,b", "@ann", "a\u{7}b",
        "a\u{fffd}", "ක\u{dd5}", "ਕ\u{a55}", "x\u{ff1a}y", "x\u{ff3f}y", "\u{2800}", "a\u{b7}b", "م\u{6dd}", "a\u{2010}b",
        "'Ann", "Ann'", "Ann '", "O''Brien", "O' Brien", "O'1", "1'O", "O'-B", "O‘Brien", "O`Brien", "O´Brien", "O\u{ff07}Brien", "O\"Brien",
    ] {
        assert_eq!(refusal(typed), Refusal::Character, "{typed:?}");
    }
    for typed in ["-Ann", "_", ".", "- ann", "-- Ann"] {
        assert_eq!(refusal(typed), Refusal::First, "{typed:?}");
    }
}

#[test]
#[rustfmt::skip]
fn nothing_blank_combining_or_without_width() {
    for typed in [
        "\u{115f}", "\u{1160}", "\u{3164}", "\u{ffa0}", "A\u{3164}", "\u{200b}", "A\u{200d}n", "A\u{200c}n",
        "A\u{fe0f}", "A\u{2060}", "\u{301}", "x\u{301}", "é\u{301}", "Ж\u{301}", "A \u{301}", "1\u{301}", "A\u{34f}", "a\u{363}", "α\u{345}",
        "ま\u{3099}", "\u{180e}A", "A\u{e0100}",
        // Marks first, after a digit, a space or a letter of another script, and too many of them.
        "\u{93f}क", "\u{93e}", "\u{94e}", "\u{c01}", "\u{17b6}", "\u{1087}", "1\u{93f}", "क \u{93f}", "A\u{93f}", "A\u{94d}",
        "ক\u{93f}", "A\u{64b}", "م-\u{64b}", "\u{651}م", "ม\u{e48}\u{e48}\u{e48}\u{e48}\u{e48}\u{e48}",
        "א\u{591}", "م\u{61c}", "१\u{93f}", "\u{93b}", "\u{1161}",
    ] {
        assert_eq!(refusal(typed), Refusal::Invisible, "{typed:?}");
    }
    assert!(Name::parse("\u{e9}").is_ok());
}

#[test]
#[rustfmt::skip]
fn no_styled_or_look_alike_letters() {
    for typed in [
        "𝐀𝐧𝐧", "𝔸𝕟𝕟", "𝟙", "Ⓐⓝⓝ", "①", "🄰", "🅐", "ℬ", "\u{212a}", "\u{212b}", "ªnn", "²", "x₂", "½", "ᴀɴɴ", "ʙ",
        "ɑ", "ɡ", "ʰ", "ⁿ", "Ⅷ", "ﬁ", "ǆ", "ĳ", "ǃ", "ꓮꓠꓠ", "ꜱ", "ﷲ", "ﻡ", "\u{f900}", "ｱ", "ﾡ", "𐌀",
        "\u{2f800}", "\u{fb3e}", "م\u{640}", "\u{1100}\u{1161}", "ⅰ", "㈠", "㊀", "🯰", "µ",
    ] {
        assert_eq!(refusal(typed), Refusal::Style, "{typed:?}");
    }
}

#[test]
#[rustfmt::skip]
fn no_mixing_with_alphabets_that_look_like_ascii() {
    for typed in [
        "Аnn", "Annа", "αnn", "Ann Ω", "Ａлл", "ἀnn", "éа", "бİ", "ſб", "ßσ", "oՕ",
        "ᎪNN", "Iⵏ", "ann١", "ann\u{9e6}",
    ] {
        assert_eq!(refusal(typed), Refusal::Mixed, "{typed:?}");
    }
    for typed in ["Анна 2", "Μαρία_7", "Анна-Мария", "Ann é 山"] {
        assert!(Name::parse(typed).is_ok(), "{typed:?}");
    }
}

#[test]
#[rustfmt::skip]
fn reserved_names_in_every_dress() {
    for typed in [
        "server", "Server", "SYSTEM", "operator", "admin", "ADMİN", "admın", "ſerver", "Dynasti", "everyone",
        "All", " you ", "Ｓｅｒｖｅｒ", "ｙou",
    ] {
        assert_eq!(refusal(typed), Refusal::Reserved, "{typed:?}");
    }
    for typed in ["servers", "Administrator", "Ally", "You2"] {
        assert!(Name::parse(typed).is_ok(), "{typed:?}");
    }
    for reserved in RESERVED.iter().chain(&NOTICES).chain(&OUTPUT) {
        assert_eq!(&*Key::of(reserved).0, *reserved);
    }
}

#[test]
#[rustfmt::skip]
fn no_name_holds_the_words_of_a_notice() {
    for typed in [
        "Bo has joined the chat.", "Bo has left the chat", "X is now known as Y", "x  HAS  left\tthe chaT",
        "ｉｓ now known as", "thıs now known as", "0has joined the chat0",
    ] {
        assert_eq!(refusal(typed), Refusal::Notice, "{typed:?}");
    }
    assert!(Name::parse("Bo has joined").is_ok());
}

#[test]
#[rustfmt::skip]
fn no_name_begins_like_a_line_of_the_servers_own_output() {
    for typed in [
        "Join with", "join  WITH", "Join with nc 6.6.6.6", "Server listening", "Server listening on", "Or open", "Or open it",
        "This is", "This is dynasti.local.", "Shutting down", "Shutting down server...", "Ｔｈｉｓ is", "Thıs is",
    ] {
        assert_eq!(refusal(typed), Refusal::Notice, "{typed:?}");
    }
    for typed in ["Join", "With", "I join with", "This", "Isis", "Or", "Open", "Shutting", "Servers"] {
        assert!(Name::parse(typed).is_ok(), "{typed:?}");
    }
}

#[test]
#[rustfmt::skip]
fn the_same_name() {
    for (one, other) in [
        ("Ann", "aNN"), ("Ann Lee", " ann\u{3000} LEE"), ("Ａｎｎ１", "ann1"), ("ΣΟΦΟΣ", "σοφος"),
        ("ΣΟΦΟΣ", "σοφοσ"), ("Straße", "STRASSE"), ("STRAẞE", "strasse"), ("İnci", "inci"),
        ("İnci", "i\u{307}nci"), ("ıslak", "ISLAK"), ("ſam", "Sam"), ("ИВАН", "иван"), ("ᏣᎳᎩ", "ꮳꮃꭹ"),
        ("ა", "Ა"), ("և", "եւ"), ("\u{3ac}", "\u{1f71}"), ("फ\u{93c}", "\u{95e}"), ("\u{9df}", "য\u{9bc}"),
        ("آ", "ا\u{653}"), ("مَّ", "م\u{651}\u{64e}"), ("مََ", "مَ"), ("كي", "کی"),
        ("\u{661}\u{662}", "\u{6f1}\u{6f2}"), ("น้ำ", "น\u{e4d}\u{e49}า"), ("கொ", "க\u{bc6}\u{bbe}"),
        ("ǅ", "ǆ"),
    ] {
        assert!(same(one, other), "{one:?} and {other:?}");
    }
    for (one, other) in [("Ann", "Anna"), ("Ann Lee", "AnnLee"), ("Zoe", "Zoë"), ("राम", "रमा"), ("a.b", "a-b"), ("かき", "がき")] {
        assert!(!same(one, other), "{one:?} and {other:?}");
    }
}

#[test]
fn folding_is_stable_for_every_character() {
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    for char in every_character() {
        once.clear();
        twice.clear();
        fold(char, &mut once);
        if once != [char] {
            once.iter().for_each(|&char| fold(char, &mut twice));
            assert_eq!(once, twice, "{char:?}");
        }
    }
}

#[test]
fn tables_are_in_order() {
    assert!(SAME.is_sorted_by(|one, next| one.0 < next.0));
    assert!(COMPOSED.is_sorted_by(|one, next| one.0 < next.0));
    for ranges in [&ALPHABETS[..], &LIKE_LATIN, &OTHER_MARKS, &SPACING_MARKS] {
        assert!(ranges.iter().all(|range| range.start() <= range.end()));
        assert!(ranges.windows(2).all(|pair| pair[0].end() < pair[1].start()));
    }
}

#[test]
fn every_character_alone_and_second() {
    for char in every_character() {
        if !char.is_alphanumeric() && char.width() != Some(0) && !char.is_ascii() && !char.is_whitespace() {
            // Refused before it is asked what stands beside it.
            assert!(check_characters(char.encode_utf8(&mut [0; 4])).is_err(), "{char:?}");
            continue;
        }
        for before in ["", "a", "क"] {
            if let Ok(name) = Name::parse(&format!("{before}{char}")) {
                assert_obeys_the_rules(&name);
            }
        }
    }
}

#[test]
fn whatever_is_accepted_obeys_the_rules() {
    #[rustfmt::skip]
    const PARTS: [&str; 30] = [
        "server", "ADMIN", "all", "you", " has joined the chat", "is now ", "known as", "ſ", "İ", "Ｓ", " ", "\u{3000}", "a", "Z", "-",
        "б", "σ", "ς", "\u{64e}", "\u{651}", "\u{94d}", "क", "'", "’", "\u{301}", "\u{308}", "\u{307}", "\u{323}", "This ", "is ",
    ];
    let mut random = Rng::with_seed(3);
    let mut accepted = 0;
    for _ in 0..10_000 {
        let mut typed = String::new();
        for _ in 0..1 + random.usize(..5) {
            match random.usize(..3) {
                0 => typed.push(any_char(&mut random)),
                _ => typed.push_str(PARTS[random.usize(..PARTS.len())]),
            }
        }
        if let Ok(name) = Name::parse(&typed) {
            assert_obeys_the_rules(&name);
            assert_eq!(Name::parse(name.as_str()).map(|again| again.typed), Ok(name.typed));
            accepted += 1;
        }
    }
    assert!(accepted > 1_000, "only {accepted} names were tried");
}

#[test]
#[rustfmt::skip]
fn reasons_fit_the_sentence() {
    for refusal in [
        Refusal::Empty, Refusal::TooLong, Refusal::Character, Refusal::First, Refusal::Invisible, Refusal::Style,
        Refusal::Mixed, Refusal::Reserved, Refusal::Notice,
    ] {
        let reason = refusal.to_string();
        assert!(reason.starts_with(|char: char| char.is_ascii_lowercase()) && !reason.ends_with('.'), "{reason}");
        assert!(reason.len() < 100 && reason.is_ascii(), "{reason}");
    }
    assert!(Refusal::TooLong.to_string().contains(&MAX_NAME.to_string()));
}
