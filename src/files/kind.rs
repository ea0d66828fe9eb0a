//! What kind of file it is, by its first bytes and never by its name; and how large a picture is.
//!
//! Pure. No bytes make it panic or read beyond their end.

/// What a browser may show. Everything else is bytes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A picture (PNG, third edition, 5.2).
    Png,
    /// A picture (ITU-T T.81, B.1.1).
    Jpeg,
    /// A picture (GIF89a, 17).
    Gif,
    /// A picture (RFC 9649, 2.4).
    WebP,
    /// A video (ISO/IEC 14496-12, 4.3).
    Mp4,
    /// Anything else.
    Other,
}

/// The brands of files that browsers play as MP4. HEIC and AVIF files begin like MP4 and have other brands.
const MP4_BRANDS: [&[u8; 4]; 14] = [
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso8", b"mp41", b"mp42", b"avc1", b"M4V ", b"MSNV",
    b"dash", b"3gp4",
];

impl Kind {
    /// Returns the kind of a file that begins with these bytes.
    pub fn of(bytes: &[u8]) -> Kind {
        let at = |from: usize, expected: &[u8]| bytes.get(from..).is_some_and(|rest| rest.starts_with(expected));
        if at(0, b"\x89PNG\r\n\x1a\n") {
            Kind::Png
        } else if at(0, b"\xff\xd8\xff") {
            Kind::Jpeg
        } else if at(0, b"GIF87a") || at(0, b"GIF89a") {
            Kind::Gif
        } else if at(0, b"RIFF") && at(8, b"WEBP") {
            Kind::WebP
        } else if at(4, b"ftyp") && MP4_BRANDS.iter().any(|brand| at(8, *brand)) {
            Kind::Mp4
        } else {
            Kind::Other
        }
    }

    /// Returns the media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Kind::Png => "image/png",
            Kind::Jpeg => "image/jpeg",
            Kind::Gif => "image/gif",
            Kind::WebP => "image/webp",
            Kind::Mp4 => "video/mp4",
            Kind::Other => "application/octet-stream",
        }
    }

    /// Returns the width and the height at which a picture is shown, in pixels, if its bytes say so.
    pub fn dimensions(self, bytes: &[u8]) -> Option<(u32, u32)> {
        let (width, height) = match self {
            Kind::Png if bytes.get(12..16)? == b"IHDR" => (number(bytes.get(16..20)?), number(bytes.get(20..24)?)),
            Kind::Gif => (reversed(bytes.get(6..8)?), reversed(bytes.get(8..10)?)),
            Kind::Jpeg => jpeg(bytes)?,
            Kind::WebP => webp(bytes)?,
            _ => return None,
        };
        (width > 0 && height > 0).then_some((width, height))
    }
}

/// A number, its highest byte first.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// A number, its lowest byte first.
fn reversed(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Reads a JPEG's segments up to the frame header (ITU-T T.81, B.2.2). A camera that was held upright says in the Exif
/// segment that the picture is to be turned.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let (mut at, mut turned) = (2, false);
    loop {
        let marker = *bytes.get(at + 1)?;
        if bytes[at] != 0xff {
            return None;
        }
        // Fill bytes may stand before a marker (B.1.1.2).
        if marker == 0xff {
            at += 1;
            continue;
        }
        let length = number(bytes.get(at + 2..at + 4)?) as usize;
        let rest = bytes.get(at + 4..)?;
        // Nothing is read beyond the segment's end, so a file of many segments cannot have the whole file read for
        // each.
        let segment = &rest[..rest.len().min(length.checked_sub(2)?)];
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let (height, width) = (number(segment.get(1..3)?), number(segment.get(3..5)?));
                return Some(if turned { (height, width) } else { (width, height) });
            }
            // The picture itself begins, and there was no frame header.
            0xd9 | 0xda => return None,
            0xe1 => turned |= segment.strip_prefix(b"Exif\0\0").and_then(orientation).is_some_and(|value| value >= 5),
            _ => {}
        }
        at += 2 + length;
    }
}

/// Reads how a picture is to be turned (Exif 2.32, 4.6.4, tag 274): from 5 on its sides change places.
fn orientation(tiff: &[u8]) -> Option<u32> {
    let number = match tiff.get(..4)? {
        b"MM\0*" => number,
        b"II*\0" => reversed,
        _ => return None,
    };
    let directory = tiff.get(number(tiff.get(4..8)?) as usize..)?;
    let fields = number(directory.get(..2)?) as usize;
    let mut fields = directory.get(2..)?.chunks_exact(12).take(fields);
    fields.find(|field| number(&field[..2]) == 274).map(|field| number(&field[8..10]))
}

/// Reads the first chunk of a WebP (RFC 9649, 2.5 to 2.7).
fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8X" => Some((1 + reversed(bytes.get(24..27)?), 1 + reversed(bytes.get(27..30)?))),
        b"VP8L" => {
            let bits = reversed(bytes.get(21..25)?);
            Some((1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff)))
        }
        b"VP8 " => Some((reversed(bytes.get(26..28)?) & 0x3fff, reversed(bytes.get(28..30)?) & 0x3fff)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png() -> Vec<u8> {
        [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &300u32.to_be_bytes(), &200u32.to_be_bytes(), &[8; 5]].concat()
    }

    /// A JPEG with an Exif segment that says how it is to be turned.
    fn jpeg_of(orientation: u8) -> Vec<u8> {
        let exif: Vec<u8> =
            [b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0], &[0; 4]]
                .concat();
        let length = u16::try_from(exif.len() + 2).expect("it is short").to_be_bytes();
        let frame = [0xff, 0xc0, 0, 17, 8, 0, 200, 1, 44, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        [b"\xff\xd8\xff\xe1".as_slice(), &length, &exif, &frame].concat()
    }

    fn webps() -> [Vec<u8>; 3] {
        let chunk = |rest: &[u8]| [b"RIFF\0\0\0\0WEBP", rest].concat();
        [
            chunk(b"VP8X\x0a\0\0\0\0\0\0\0\x2b\x01\0\xc7\0\0"),
            // 299 and 199 in fourteen bits each.
            chunk(&[b"VP8L\0\0\0\0\x2f".as_slice(), &(299u32 | 199 << 14).to_le_bytes()].concat()),
            chunk(b"VP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x2c\x01\xc8\x00"),
        ]
    }

    #[test]
    fn pictures_are_known_and_measured() {
        let gif = b"GIF89a\x2c\x01\xc8\x00".to_vec();
        let pictures = [(Kind::Png, png()), (Kind::Gif, gif), (Kind::Jpeg, jpeg_of(1))];
        for (kind, bytes) in pictures.into_iter().chain(webps().map(|bytes| (Kind::WebP, bytes))) {
            assert_eq!((Kind::of(&bytes), kind.dimensions(&bytes)), (kind, Some((300, 200))));
            // Whatever is cut off.
            (0..bytes.len()).for_each(|length| _ = Kind::of(&bytes[..length]).dimensions(&bytes[..length]));
        }
    }

    #[test]
    fn a_picture_that_is_to_be_turned_is_measured_as_it_is_shown() {
        for (orientation, size) in [(3, (300, 200)), (6, (200, 300)), (8, (200, 300))] {
            assert_eq!(Kind::Jpeg.dimensions(&jpeg_of(orientation)), Some(size));
        }
    }

    #[test]
    fn what_could_run_in_a_browser_or_is_not_shown_by_all_is_bytes() {
        let others: [&[u8]; 8] = [
            b"<svg xmlns=\"http://www.w3.org/2000/svg\">",
            b"<!doctype html><script>",
            b"%PDF-1.7",
            b"\0\0\0\x18ftypheic\0\0\0\0",
            b"\0\0\0\x18ftypavif\0\0\0\0",
            b"RIFF\0\0\0\0WAVE",
            b"",
            b"GIF",
        ];
        for bytes in others {
            assert_eq!((Kind::of(bytes), Kind::of(bytes).dimensions(bytes)), (Kind::Other, None));
        }
        assert_eq!(Kind::of(b"\0\0\0\x20ftypisom\0\0\x02\0").media_type(), "video/mp4");
    }

    #[test]
    fn a_segment_says_nothing_beyond_its_end() {
        // The directory that it points to, with the picture's orientation, follows it.
        let exif = b"Exif\0\0II*\0\x08\0\0\0";
        let directory = b"\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let frame = [0xff, 0xc0, 0, 17, 8, 0, 200, 1, 44, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (length, size) in [(exif.len() + directory.len(), (200, 300)), (exif.len(), (300, 200))] {
            let length = u8::try_from(length + 2).expect("it is short");
            let mut bytes = [b"\xff\xd8\xff\xe1\0".as_slice(), &[length], exif].concat();
            if size == (200, 300) {
                bytes.extend_from_slice(directory);
                bytes.extend_from_slice(&frame);
            } else {
                // As another segment.
                bytes.extend_from_slice(&[0xff, 0xe2, 0, directory.len() as u8 + 2]);
                bytes.extend_from_slice(directory);
                bytes.extend_from_slice(&frame);
            }
            assert_eq!(Kind::Jpeg.dimensions(&bytes), Some(size));
        }
    }

    #[test]
    fn nothing_in_a_picture_leads_beyond_it() {
        let mut random = fastrand::Rng::with_seed(11);
        let seeds = [png(), jpeg_of(6), webps()[0].clone(), webps()[1].clone()];
        for n in 0..40_000 {
            let mut bytes = seeds[n % seeds.len()].clone();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            let _ = Kind::of(&bytes).dimensions(&bytes);
        }
    }
}
