use super::*;
use crate::room::tests::id;

const MIB: usize = 1024 * 1024;

fn files(max: usize) -> Files {
    let address = ([192, 168, 1, 10], 4080).into();
    Files::new(max, Origin { listener: ([0, 0, 0, 0], 4080).into(), shown: address })
}

/// Shares a file of so many bytes.
fn share(files: &Files, name: &str, bytes: usize, now: Instant) -> Result<Token, Refused> {
    let mut upload = files.begin(id(1), bytes as u64)?;
    upload.add(&vec![7; bytes])?;
    let by = Name::parse("Ann").expect("it is one");
    Ok(files.finish(upload, FileName::of(name), by, now)?.id)
}

fn names(files: &Files, now: Instant) -> Vec<String> {
    files.all(now).iter().map(|file| file.name.to_string()).collect()
}

fn memory(files: &Files) -> usize {
    lock(&files.shelf).memory.load(Relaxed)
}

#[test]
fn the_oldest_make_room_and_each_stays_for_an_hour() {
    let (files, now) = (files(3 * MIB), Instant::now());
    let first = share(&files, "a", MIB, now).expect("there is room");
    for (n, name) in ["b", "c"].into_iter().enumerate() {
        share(&files, name, MIB, now + Duration::from_secs(1 + n as u64)).expect("there is room");
    }
    share(&files, "d", 3 * MIB / 2, now + Duration::from_secs(9)).expect("two make room");
    assert_eq!((names(&files, now), memory(&files)), (vec!["c".into(), "d".into()], 5 * MIB / 2));
    assert!(files.find(first, now).is_none());
    assert_eq!(files.about(first).map(|about| about.size), Some(MIB as u64));
    let hour = now + Duration::from_secs(3600);
    assert_eq!(files.forget_old(hour + Duration::from_secs(3)), Some(hour + Duration::from_secs(9)));
    assert_eq!(files.forget_old(hour + Duration::from_secs(9)), None);
    assert_eq!(memory(&files), 0);
}

#[test]
fn what_is_fetched_stays_in_memory_and_counts_until_that_is_over() {
    let (files, now) = (files(2 * MIB), Instant::now());
    let a = share(&files, "a", MIB, now).expect("there is room");
    let fetched = files.find(a, now).expect("it is there");
    share(&files, "b", MIB, now).expect("there is room");
    // The older one is being fetched, so the younger one makes room.
    share(&files, "c", MIB, now).expect("b makes room");
    assert_eq!(names(&files, now), ["a", "c"]);
    assert_eq!(files.begin(id(2), 3 * MIB as u64 / 2).err(), Some(Refused::NoRoom));
    assert_eq!(files.forget(&a.to_string()), Forgotten::This(FileName::of("a")));
    assert_eq!((fetched.bytes.len(), memory(&files)), (MIB, 2 * MIB));
    assert_eq!(share(&files, "d", 2 * MIB, now), Err(Refused::NoRoom));
    drop(fetched);
    share(&files, "d", 2 * MIB, now).expect("there is room again");
    assert_eq!((names(&files, now), memory(&files)), (vec!["d".into()], 2 * MIB));
}

#[test]
fn uploads_under_way_count_with_what_they_promise_and_forget_files_only_as_bytes_come() {
    let (files, now) = (files(4 * MIB), Instant::now());
    share(&files, "a", 2 * MIB, now).expect("there is room");
    let mut upload = files.begin(id(1), 3 * MIB as u64).expect("a can make room");
    assert_eq!(files.begin(id(2), 2 * MIB as u64).err(), Some(Refused::NoRoom));
    assert_eq!(files.begin(id(2), 5 * MIB as u64).err(), Some(Refused::TooLarge(4 * MIB)));
    upload.add(&vec![0; 2 * MIB]).expect("there is room");
    assert_eq!(names(&files, now), ["a"]);
    upload.add(&vec![0; MIB]).expect("a makes room");
    assert_eq!((names(&files, now).len(), memory(&files)), (0, 3 * MIB));
    assert_eq!(upload.add(b"more than was said"), Err(Refused::TooLarge(3 * MIB)));
    drop(upload);
    assert_eq!(memory(&files), 0);
    share(&files, "b", 4 * MIB, now).expect("all is free again");
}

/// Gives what there is, and has no more for now.
struct Socket<'a>(&'a [u8]);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

#[test]
fn what_is_read_straight_into_an_upload_counts_as_it_comes_and_ends_with_the_file() {
    let (files, now) = (files(MIB), Instant::now());
    let mut upload = files.begin(id(1), MIB as u64).expect("there is room");
    let mut read =
        |bytes: usize, most| upload.add_from(Socket(&vec![7; bytes]), most).map_err(|why| format!("{why:?}"));
    let blocks = |read: Result<io::Result<usize>, _>| {
        read.expect("there is room").is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    };
    assert!(blocks(read(0, MIB)) && memory(&files) == 0);
    assert_eq!(read(100_000, MIB).expect("there is room").ok(), Some(100_000));
    assert_eq!(memory(&files), 100_000);
    assert_eq!(read(100_000, 10).expect("there is room").ok(), Some(10));
    assert!(blocks(read(0, MIB)) && memory(&files) == 100_010);
    assert_eq!(read(2 * MIB, usize::MAX).expect("there is room").ok(), Some(MIB - 100_010));
    assert_eq!((upload.bytes.bytes.capacity(), memory(&files)), (MIB, MIB));
    let by = Name::parse("Ann").expect("it is one");
    let shared = files.finish(upload, FileName::of("a"), by, now).expect("it is whole");
    assert!(shared.bytes.iter().all(|byte| *byte == 7));
    // It is being fetched, so nothing can make room.
    assert_eq!(files.begin(id(1), 1).err(), Some(Refused::NoRoom));
}

#[test]
fn one_member_has_few_uploads_under_way() {
    let files = files(MIB);
    let uploads: Vec<Upload> = (0..4).map(|_| files.begin(id(1), 1).expect("these are few")).collect();
    assert_eq!(files.begin(id(1), 1).err(), Some(Refused::NoRoom));
    assert!(files.begin(id(2), 1).is_ok());
    drop(uploads);
    assert!(files.begin(id(1), 1).is_ok());
}

#[test]
fn a_code_is_good_once_and_for_ten_minutes() {
    let (files, now) = (files(MIB), Instant::now());
    let code = files.invite(id(1), now).expect("there are random numbers");
    let later = now + CODE_FOR;
    assert_eq!(files.begin_with(code, 1, later).err(), Some(Refused::BadCode));
    assert_eq!(files.begin_with(code, 2 * MIB as u64, now).err(), Some(Refused::TooLarge(MIB)));
    let mut upload = files.begin_with(code, 1, now).expect("a refusal does not use it up");
    assert_eq!(files.begin_with(code, 1, now).err(), Some(Refused::InUse));
    drop(upload);
    upload = files.begin_with(code, 1, now).expect("an upload that breaks off does not use it up");
    upload.add(b"x").expect("there is room");
    // Its time may end while the upload is under way.
    let _ = files.invite(id(1), later).expect("there are random numbers");
    files.finish(upload, FileName::of("x"), Name::parse("Ann").expect("it is one"), later).expect("it is whole");
    assert_eq!(files.begin_with(code, 1, now).err(), Some(Refused::BadCode));
}

#[test]
fn of_many_codes_the_oldest_of_the_same_member_is_forgotten() {
    let (files, now) = (files(MIB), Instant::now());
    let other = files.invite(id(2), now).expect("there are random numbers");
    let codes: Vec<Token> = (0..5).map(|_| files.invite(id(1), now).expect("there are random numbers")).collect();
    assert_eq!(files.begin_with(codes[0], 1, now).err(), Some(Refused::BadCode));
    assert!(files.begin_with(codes[1], 1, now).is_ok() && files.begin_with(other, 1, now).is_ok());
}

#[test]
fn who_shares_many_files_forgets_none_of_others() {
    let (files, now) = (files(MIB), Instant::now());
    let other = files.begin(id(2), 0).expect("there is room");
    let by = Name::parse("Bob").expect("it is one");
    files.finish(other, FileName::of("of Bob"), by, now).expect("it is whole");
    for n in 0..150 {
        share(&files, &n.to_string(), 0, now).expect("there is room");
    }
    let names = names(&files, now);
    assert_eq!((names.len(), names[0].as_str(), names[1].as_str()), (101, "of Bob", "50"));
}

#[test]
fn a_file_is_forgotten_by_the_beginning_of_its_number_if_that_is_clear() {
    let (files, now) = (files(MIB), Instant::now());
    let [a, _] = ["a", "b"].map(|name| share(&files, name, 1, now).expect("there is room"));
    assert_eq!(files.forget(""), Forgotten::Several);
    assert_eq!(files.forget("x"), Forgotten::None);
    assert_eq!(files.forget(&a.to_string()[..12]), Forgotten::This(FileName::of("a")));
    assert_eq!(names(&files, now), ["b"]);
}

#[test]
fn a_file_that_is_not_whole_is_none() {
    let (files, now) = (files(MIB), Instant::now());
    let mut upload = files.begin(id(1), 2).expect("there is room");
    upload.add(b"x").expect("there is room");
    let by = Name::parse("Ann").expect("it is one");
    assert!(files.finish(upload, FileName::of("a"), by, now).is_err());
    assert_eq!((names(&files, now).len(), memory(&files)), (0, 0));
}

#[test]
fn the_address_is_the_one_that_a_client_has_reached_where_that_is_of_use() {
    let shown = SocketAddr::from(([192, 168, 1, 10], 4080));
    let everywhere = Origin { listener: ([0u16; 8], 4080).into(), shown };
    for (local, expected) in [
        ("10.0.0.1:4000", "10.0.0.1:4080"),
        ("[::ffff:10.0.0.1]:4000", "10.0.0.1:4080"),
        ("[2001:db8::1]:4000", "[2001:db8::1]:4080"),
        ("127.0.0.1:4000", "192.168.1.10:4080"),
        ("[fe80::1%2]:4000", "192.168.1.10:4080"),
    ] {
        let local = local.parse().expect(local);
        assert_eq!(everywhere.for_whoever_reached(local).to_string(), expected);
    }
    let only_v4 = Origin { listener: ([0, 0, 0, 0], 4080).into(), shown };
    assert_eq!(only_v4.for_whoever_reached("[2001:db8::1]:4000".parse().expect("an address")), shown);
    assert_eq!(only_v4.for_whoever_reached(([10, 0, 0, 1], 4000).into()).to_string(), "10.0.0.1:4080");
    let here = Origin { listener: shown, shown };
    assert_eq!(here.for_whoever_reached(([10, 0, 0, 1], 4000).into()), shown);
}
