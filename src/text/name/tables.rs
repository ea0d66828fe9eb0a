//! What std does not know about letters, for the check of names: the alphabets in use, the letters that look alike, the
//! marks.
//!
//! Only data. Each table is in order.

use std::ops::RangeInclusive;

/// The letters and digits of the alphabets in everyday use: those that UAX 31 recommends for identifiers, and the most
/// used of those that it calls limited. Letters that look like one or two others are excluded: digraphs (U+01C6), click
/// letters (U+01C0), phonetic and modifier letters, the Arabic stretcher (U+0640), presentation forms, Hangul in parts
/// (U+1100), compatibility ideographs, and Lisu, whose letters all look like Latin capitals.
#[rustfmt::skip]
pub(super) const ALPHABETS: [RangeInclusive<char>; 77] = [
    '\u{30}'..='\u{39}', '\u{41}'..='\u{5a}', '\u{61}'..='\u{7a}', // ASCII
    '\u{c0}'..='\u{131}', '\u{134}'..='\u{13e}', '\u{141}'..='\u{148}', '\u{14a}'..='\u{17f}',
    '\u{180}'..='\u{1bf}', '\u{1cd}'..='\u{1f0}', '\u{1f4}'..='\u{24f}', // Latin
    '\u{253}'..='\u{257}', '\u{259}'..='\u{259}', '\u{25b}'..='\u{25b}', '\u{260}'..='\u{260}',
    '\u{263}'..='\u{263}', '\u{268}'..='\u{268}', '\u{26f}'..='\u{26f}', '\u{272}'..='\u{272}',
    '\u{275}'..='\u{275}', '\u{283}'..='\u{283}', '\u{288}'..='\u{28b}', '\u{292}'..='\u{292}', // Latin of Africa and Azerbaijan
    '\u{386}'..='\u{386}', '\u{388}'..='\u{3ce}', // Greek
    '\u{400}'..='\u{52f}', // Cyrillic
    '\u{531}'..='\u{556}', '\u{561}'..='\u{587}', // Armenian
    '\u{5d0}'..='\u{5ea}', // Hebrew
    '\u{620}'..='\u{63f}', '\u{641}'..='\u{64a}', '\u{660}'..='\u{669}', '\u{66e}'..='\u{66f}',
    '\u{671}'..='\u{674}', '\u{679}'..='\u{6d3}', '\u{6d5}'..='\u{6d5}', '\u{6ee}'..='\u{6ff}', // Arabic
    '\u{710}'..='\u{72f}', '\u{74d}'..='\u{74f}', // Syriac
    '\u{750}'..='\u{77f}', // Arabic
    '\u{780}'..='\u{7b1}', // Thaana
    '\u{7c0}'..='\u{7ea}', // N'Ko
    '\u{900}'..='\u{dff}', // Indian scripts, Sinhala
    '\u{e00}'..='\u{eff}', // Thai, Lao
    '\u{f00}'..='\u{fff}', // Tibetan
    '\u{1000}'..='\u{109f}', // Burmese
    '\u{10a0}'..='\u{10fb}', '\u{10fd}'..='\u{10ff}', // Georgian
    '\u{1200}'..='\u{139f}', // Ethiopic
    '\u{13a0}'..='\u{13ff}', // Cherokee
    '\u{1401}'..='\u{166c}', '\u{166f}'..='\u{167f}', // Canadian syllabics
    '\u{1780}'..='\u{17ff}', // Khmer
    '\u{1810}'..='\u{18aa}', // Mongolian
    '\u{1c90}'..='\u{1cbf}', // Georgian capitals
    '\u{1e00}'..='\u{1e99}', '\u{1e9b}'..='\u{1eff}', // Latin
    '\u{1f00}'..='\u{1fff}', // Greek
    '\u{2d30}'..='\u{2d67}', // Tifinagh
    '\u{2d80}'..='\u{2ddf}', // Ethiopic
    '\u{3005}'..='\u{3007}', '\u{3041}'..='\u{3096}', '\u{309d}'..='\u{309e}',
    '\u{30a1}'..='\u{30fa}', '\u{30fc}'..='\u{30fe}', // Kana
    '\u{3105}'..='\u{312f}', // Bopomofo
    '\u{3131}'..='\u{3163}', // Hangul letters
    '\u{31a0}'..='\u{31bf}', '\u{31f0}'..='\u{31ff}', // Bopomofo, Kana
    '\u{3400}'..='\u{4dbf}', '\u{4e00}'..='\u{9fff}', // Han
    '\u{a000}'..='\u{a48c}', // Yi
    '\u{a640}'..='\u{a66e}', // Cyrillic
    '\u{ac00}'..='\u{d7a3}', // Hangul
    '\u{1e900}'..='\u{1e943}', '\u{1e950}'..='\u{1e959}', // Adlam
    '\u{20000}'..='\u{2ee5d}', '\u{30000}'..='\u{323af}', // Han
];

/// The alphabets and syllabaries of `ALPHABETS` that share many shapes with Latin letters.
pub(super) const LIKE_LATIN: [RangeInclusive<char>; 6] = [
    '\u{370}'..='\u{52f}',   // Greek, Cyrillic
    '\u{531}'..='\u{587}',   // Armenian
    '\u{13a0}'..='\u{167f}', // Cherokee, Canadian syllabics
    '\u{1f00}'..='\u{1fff}', // Greek
    '\u{2d30}'..='\u{2d7f}', // Tifinagh
    '\u{a640}'..='\u{a69f}', // Cyrillic
];

/// The marks without width that Unicode does not count as letters: nuktas, viramas, tone marks.
#[rustfmt::skip]
pub(super) const OTHER_MARKS: [RangeInclusive<char>; 25] = [
    '\u{93c}'..='\u{93c}', '\u{94d}'..='\u{94d}', // Devanagari
    '\u{9bc}'..='\u{9bc}', '\u{9cd}'..='\u{9cd}', // Bengali
    '\u{a3c}'..='\u{a3c}', '\u{a4d}'..='\u{a4d}', // Gurmukhi
    '\u{abc}'..='\u{abc}', '\u{acd}'..='\u{acd}', // Gujarati
    '\u{b3c}'..='\u{b3c}', '\u{b4d}'..='\u{b4d}', // Odia
    '\u{bcd}'..='\u{bcd}', // Tamil
    '\u{c3c}'..='\u{c3c}', '\u{c4d}'..='\u{c4d}', // Telugu
    '\u{cbc}'..='\u{cbc}', '\u{ccd}'..='\u{ccd}', // Kannada
    '\u{d3b}'..='\u{d3c}', '\u{d4d}'..='\u{d4d}', // Malayalam
    '\u{dca}'..='\u{dca}', // Sinhala
    '\u{e47}'..='\u{e4e}', // Thai
    '\u{eba}'..='\u{eba}', '\u{ec8}'..='\u{ecd}', // Lao
    '\u{f84}'..='\u{f84}', // Tibetan
    '\u{1037}'..='\u{1037}', '\u{1039}'..='\u{103a}', // Burmese
    '\u{17c9}'..='\u{17d2}', // Khmer
];

/// The marks with a width of their own that the Indian layout does not determine.
#[rustfmt::skip]
pub(super) const SPACING_MARKS: [RangeInclusive<char>; 14] = [
    '\u{d82}'..='\u{d83}', '\u{dcf}'..='\u{dd4}', '\u{dd6}'..='\u{dd6}', '\u{dd8}'..='\u{ddf}',
    '\u{df2}'..='\u{df3}', // Sinhala
    '\u{f7f}'..='\u{f7f}', // Tibetan
    '\u{102b}'..='\u{103e}', '\u{1056}'..='\u{1059}', '\u{1062}'..='\u{1064}',
    '\u{1067}'..='\u{106d}', '\u{1082}'..='\u{108d}', '\u{108f}'..='\u{108f}',
    '\u{109a}'..='\u{109c}', // Burmese
    '\u{17b6}'..='\u{17c8}', // Khmer
];

/// Characters that look like others in the same alphabet, each with those others, folded. They are the characters that
/// Unicode decomposes into a letter and one of the allowed marks, the Greek letters that Unicode has twice
/// (UnicodeData.txt, field 5), and the Arabic letters that only Persian and Urdu keyboards distinguish.
#[rustfmt::skip]
pub(super) const SAME: [(char, &str); 91] = [
    ('\u{622}', "\u{627}\u{653}"), ('\u{623}', "\u{627}\u{654}"), ('\u{624}', "\u{648}\u{654}"),
    ('\u{625}', "\u{627}\u{655}"), ('\u{626}', "\u{64a}\u{654}"), ('\u{649}', "\u{64a}"), ('\u{6a9}', "\u{643}"),
    ('\u{6c0}', "\u{647}\u{654}"), ('\u{6c1}', "\u{647}"), ('\u{6c2}', "\u{647}\u{654}"), ('\u{6cc}', "\u{64a}"),
    ('\u{6d3}', "\u{6d2}\u{654}"), ('\u{6d5}', "\u{647}"), ('\u{929}', "\u{928}\u{93c}"),
    ('\u{931}', "\u{930}\u{93c}"), ('\u{934}', "\u{933}\u{93c}"), ('\u{958}', "\u{915}\u{93c}"),
    ('\u{959}', "\u{916}\u{93c}"), ('\u{95a}', "\u{917}\u{93c}"), ('\u{95b}', "\u{91c}\u{93c}"),
    ('\u{95c}', "\u{921}\u{93c}"), ('\u{95d}', "\u{922}\u{93c}"), ('\u{95e}', "\u{92b}\u{93c}"),
    ('\u{95f}', "\u{92f}\u{93c}"), ('\u{9cb}', "\u{9c7}\u{9be}"), ('\u{9cc}', "\u{9c7}\u{9d7}"),
    ('\u{9dc}', "\u{9a1}\u{9bc}"), ('\u{9dd}', "\u{9a2}\u{9bc}"), ('\u{9df}', "\u{9af}\u{9bc}"),
    ('\u{a33}', "\u{a32}\u{a3c}"), ('\u{a36}', "\u{a38}\u{a3c}"), ('\u{a59}', "\u{a16}\u{a3c}"),
    ('\u{a5a}', "\u{a17}\u{a3c}"), ('\u{a5b}', "\u{a1c}\u{a3c}"), ('\u{a5e}', "\u{a2b}\u{a3c}"),
    ('\u{b48}', "\u{b47}\u{b56}"), ('\u{b4b}', "\u{b47}\u{b3e}"), ('\u{b4c}', "\u{b47}\u{b57}"),
    ('\u{b5c}', "\u{b21}\u{b3c}"), ('\u{b5d}', "\u{b22}\u{b3c}"), ('\u{b94}', "\u{b92}\u{bd7}"),
    ('\u{bca}', "\u{bc6}\u{bbe}"), ('\u{bcb}', "\u{bc7}\u{bbe}"), ('\u{bcc}', "\u{bc6}\u{bd7}"),
    ('\u{c48}', "\u{c46}\u{c56}"), ('\u{cc0}', "\u{cbf}\u{cd5}"), ('\u{cc7}', "\u{cc6}\u{cd5}"),
    ('\u{cc8}', "\u{cc6}\u{cd6}"), ('\u{cca}', "\u{cc6}\u{cc2}"), ('\u{ccb}', "\u{cc6}\u{cc2}\u{cd5}"),
    ('\u{d4a}', "\u{d46}\u{d3e}"), ('\u{d4b}', "\u{d47}\u{d3e}"), ('\u{d4c}', "\u{d46}\u{d57}"),
    ('\u{dda}', "\u{dd9}\u{dca}"), ('\u{ddc}', "\u{dd9}\u{dcf}"), ('\u{ddd}', "\u{dd9}\u{dcf}\u{dca}"),
    ('\u{dde}', "\u{dd9}\u{ddf}"), ('\u{e33}', "\u{e4d}\u{e32}"), ('\u{eb3}', "\u{ecd}\u{eb2}"),
    ('\u{edc}', "\u{eab}\u{e99}"), ('\u{edd}', "\u{eab}\u{ea1}"), ('\u{f43}', "\u{f42}\u{fb7}"),
    ('\u{f4d}', "\u{f4c}\u{fb7}"), ('\u{f52}', "\u{f51}\u{fb7}"), ('\u{f57}', "\u{f56}\u{fb7}"),
    ('\u{f5c}', "\u{f5b}\u{fb7}"), ('\u{f69}', "\u{f40}\u{fb5}"), ('\u{f73}', "\u{f71}\u{f72}"),
    ('\u{f75}', "\u{f71}\u{f74}"), ('\u{f76}', "\u{fb2}\u{f80}"), ('\u{f77}', "\u{fb2}\u{f71}\u{f80}"),
    ('\u{f78}', "\u{fb3}\u{f80}"), ('\u{f79}', "\u{fb3}\u{f71}\u{f80}"), ('\u{f81}', "\u{f71}\u{f80}"),
    ('\u{f93}', "\u{f92}\u{fb7}"), ('\u{f9d}', "\u{f9c}\u{fb7}"), ('\u{fa2}', "\u{fa1}\u{fb7}"),
    ('\u{fa7}', "\u{fa6}\u{fb7}"), ('\u{fac}', "\u{fab}\u{fb7}"), ('\u{fb9}', "\u{f90}\u{fb5}"),
    ('\u{1026}', "\u{1025}\u{102e}"), ('\u{1f71}', "\u{3ac}"), ('\u{1f73}', "\u{3ad}"), ('\u{1f75}', "\u{3ae}"),
    ('\u{1f77}', "\u{3af}"), ('\u{1f79}', "\u{3cc}"), ('\u{1f7b}', "\u{3cd}"), ('\u{1f7d}', "\u{3ce}"),
    ('\u{1fbe}', "\u{3b9}"), ('\u{1fd3}', "\u{390}"), ('\u{1fe3}', "\u{3b0}"),
];

/// The letters that Unicode composes of another letter and one of these marks (UnicodeData.txt, field 5): Latin, Greek
/// as it is written today, Cyrillic, kana. Each mark with such letters, one after the other: without the mark, and with
/// it.
#[rustfmt::skip]
pub(super) const COMPOSED: [(char, &str); 27] = [
    ('\u{300}', "AÀEÈIÌOÒUÙaàeèiìoòuùÜǛüǜNǸnǹЕЀИЍеѐиѝĒḔēḕŌṐōṑWẀwẁÂẦâầĂẰăằÊỀêềÔỒôồƠỜơờƯỪưừYỲyỳ"),
    ('\u{301}', "AÁEÉIÍOÓUÚYÝaáeéiíoóuúyýCĆcćLĹlĺNŃnńRŔrŕSŚsśZŹzźÜǗüǘGǴgǵÅǺåǻÆǼæǽØǾøǿΑΆΕΈΗΉΙΊΟΌΥΎΩΏϊΐαάεέηή\
        ιίϋΰοόυύωώГЃКЌгѓкќÇḈçḉĒḖēḗÏḮïḯKḰkḱMḾmḿÕṌõṍŌṒōṓPṔpṕŨṸũṹWẂwẃÂẤâấĂẮăắÊẾêếÔỐôốƠỚơớƯỨưứ"),
    ('\u{302}', "AÂEÊIÎOÔUÛaâeêiîoôuûCĈcĉGĜgĝHĤhĥJĴjĵSŜsŝWŴwŵYŶyŷZẐzẑẠẬạậẸỆẹệỌỘọộ"),
    ('\u{303}', "AÃNÑOÕaãnñoõIĨiĩUŨuũVṼvṽÂẪâẫĂẴăẵEẼeẽÊỄêễÔỖôỗƠỠơỡƯỮưữYỸyỹ"),
    ('\u{304}', "AĀaāEĒeēIĪiīOŌoōUŪuūÜǕüǖÄǞäǟȦǠȧǡÆǢæǣǪǬǫǭÖȪöȫÕȬõȭȮȰȯȱYȲyȳИӢиӣУӮуӯGḠgḡḶḸḷḹṚṜṛṝ"),
    ('\u{306}', "AĂaăEĔeĕGĞgğIĬiĭOŎoŏUŬuŭУЎИЙийуўЖӁжӂАӐаӑЕӖеӗȨḜȩḝẠẶạặ"),
    ('\u{307}', "CĊcċEĖeėGĠgġIİZŻzżAȦaȧOȮoȯBḂbḃDḊdḋFḞfḟHḢhḣMṀmṁNṄnṅPṖpṗRṘrṙSṠsṡŚṤśṥŠṦšṧṢṨṣṩTṪtṫWẆwẇXẊxẋYẎyẏ\
        ſẛ"),
    ('\u{308}', "AÄEËIÏOÖUÜaäeëiïoöuüyÿYŸΙΪΥΫιϊυϋЕЁІЇеёіїАӒаӓӘӚәӛЖӜжӝЗӞзӟИӤиӥОӦоӧӨӪөӫЭӬэӭУӰуӱЧӴчӵЫӸыӹHḦhḧÕṎ\
        õṏŪṺūṻWẄwẅXẌxẍtẗ"),
    ('\u{309}', "AẢaảÂẨâẩĂẲăẳEẺeẻÊỂêểIỈiỉOỎoỏÔỔôổƠỞơởUỦuủƯỬưửYỶyỷ"),
    ('\u{30a}', "AÅaåUŮuůwẘyẙ"),
    ('\u{30b}', "OŐoőUŰuűУӲуӳ"),
    ('\u{30c}', "CČcčDĎdďEĚeěLĽlľNŇnňRŘrřSŠsšTŤtťZŽzžAǍaǎIǏiǐOǑoǒUǓuǔÜǙüǚGǦgǧKǨkǩƷǮʒǯjǰHȞhȟ"),
    ('\u{30f}', "AȀaȁEȄeȅIȈiȉOȌoȍRȐrȑUȔuȕѴѶѵѷ"),
    ('\u{311}', "AȂaȃEȆeȇIȊiȋOȎoȏRȒrȓUȖuȗ"),
    ('\u{31b}', "OƠoơUƯuư"),
    ('\u{323}', "BḄbḅDḌdḍHḤhḥKḲkḳLḶlḷMṂmṃNṆnṇRṚrṛSṢsṣTṬtṭVṾvṿWẈwẉZẒzẓAẠaạEẸeẹIỊiịOỌoọƠỢơợUỤuụƯỰưựYỴyỵ"),
    ('\u{324}', "UṲuṳ"),
    ('\u{325}', "AḀaḁ"),
    ('\u{326}', "SȘsșTȚtț"),
    ('\u{327}', "CÇcçGĢgģKĶkķLĻlļNŅnņRŖrŗSŞsşTŢtţEȨeȩDḐdḑHḨhḩ"),
    ('\u{328}', "AĄaąEĘeęIĮiįUŲuųOǪoǫ"),
    ('\u{32d}', "DḒdḓEḘeḙLḼlḽNṊnṋTṰtṱUṶuṷ"),
    ('\u{32e}', "HḪhḫ"),
    ('\u{330}', "EḚeḛIḬiḭUṴuṵ"),
    ('\u{331}', "BḆbḇDḎdḏKḴkḵLḺlḻNṈnṉRṞrṟTṮtṯZẔzẕhẖ"),
    ('\u{3099}', "かがきぎくぐけげこごさざしじすずせぜそぞただちぢつづてでとどはばひびふぶへべほぼうゔゝゞ\
        カガキギクグケゲコゴサザシジスズセゼソゾタダチヂツヅテデトドハバヒビフブヘベホボウヴワヷ\
        ヰヸヱヹヲヺヽヾ"),
    ('\u{309a}', "はぱひぴふぷへぺほぽハパヒピフプヘペホポ"),
];
