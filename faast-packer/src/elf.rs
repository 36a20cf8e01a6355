//! What an ELF file says of itself: the machine, the interpreter, needed libraries and needed versions.
//!
//! Responsible for reading; [`crate::fit`] judges. Read is what the kernel and the dynamic loader read, program headers
//! and the dynamic segment, because an executable runs without section headers too. Invariant: any bytes give an answer
//! or an error, never a panic and never an endless loop.

use object::elf::{
    DT_FLAGS_1, DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, DT_VERDEF, DT_VERDEFNUM, DT_VERNEED,
    DT_VERNEEDNUM, Dyn64, DynamicTag, EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64,
    Machine, PT_LOAD, ProgramHeader64, SHT_DYNSYM, Verdaux, Verdef, Vernaux, Verneed,
};
use object::read::ReadRef as _;
use object::read::elf::{FileHeader as _, ProgramHeader as _, Sym as _};
use object::{LittleEndian, SymbolIndex};

const LE: LittleEndian = LittleEndian;
/// Set in `DT_FLAGS_1` of executables that may be anywhere in memory; shared libraries don't have it.
const DF_1_PIE: u64 = 0x0800_0000;

/// Why a file can't be read as an ELF file of a 64-bit machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("is no Linux executable")]
    NotElf,
    #[error("is an executable for 32-bit machines")]
    Bits32,
    #[error("is an executable for big-endian machines")]
    BigEndian,
    #[error("is damaged or cut off: {0}")]
    Damaged(&'static str),
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Executable,
    Library,
    Other,
}

/// A version of a library that the loader looks for before it starts the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need<'d> {
    pub(crate) library: &'d str,
    pub(crate) version: &'d str,
}

/// What an ELF file says of itself.
#[derive(Debug)]
pub(crate) struct Elf<'d> {
    pub(crate) kind: Kind,
    pub(crate) machine: Machine,
    pub(crate) interpreter: Option<&'d str>,
    pub(crate) libraries: Vec<&'d str>,
    /// Also those that only weak symbols need: the loader makes no difference.
    pub(crate) needs: Vec<Need<'d>>,
    /// The versions that it offers to others.
    pub(crate) offers: Vec<&'d str>,
    /// Where it wants its libraries to be looked for, with the loader's placeholders.
    pub(crate) run_paths: Vec<&'d str>,
    data: &'d [u8],
}

impl<'d> Elf<'d> {
    pub(crate) fn read(data: &'d [u8]) -> Result<Self, Unreadable> {
        match data {
            [0x7f, b'E', b'L', b'F', 2, 1, ..] => {}
            [0x7f, b'E', b'L', b'F', 2, 2, ..] => return Err(Unreadable::BigEndian),
            [0x7f, b'E', b'L', b'F', 1, ..] => return Err(Unreadable::Bits32),
            [0x7f, b'E', b'L', b'F', ..] => return Err(Unreadable::Damaged("its header makes no sense")),
            _ => return Err(Unreadable::NotElf),
        }
        let header = header(data)?;
        let segments = Segments::read(header, data)?;
        let dynamic = segments.dynamic()?;
        let interpreter = segments.interpreter()?;
        let mut elf = Self {
            kind: kind(header, interpreter.is_some(), &dynamic),
            machine: header.e_machine(LE),
            interpreter,
            libraries: Vec::new(),
            needs: Vec::new(),
            offers: Vec::new(),
            run_paths: Vec::new(),
            data,
        };
        if !dynamic.is_empty() {
            let strings = Strings::find(&segments, &dynamic)?;
            for offset in values(&dynamic, DT_NEEDED) {
                elf.libraries.push(strings.get(offset)?);
            }
            elf.needs = version_needs(&segments, &dynamic, &strings)?;
            elf.offers = version_offers(&segments, &dynamic, &strings)?;
            for offset in values(&dynamic, DT_RPATH).chain(values(&dynamic, DT_RUNPATH)) {
                elf.run_paths.extend(strings.get(offset)?.split(':').filter(|folder| !folder.is_empty()));
            }
        }
        Ok(elf)
    }

    /// The symbols that need a version, sorted; none where section headers are missing, which only tools read.
    pub(crate) fn symbols_of(&self, version: &str) -> Vec<&'d str> {
        let mut names = self.symbols(version).unwrap_or_default();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn symbols(&self, wanted: &str) -> object::read::Result<Vec<&'d str>> {
        let sections = FileHeader64::<LittleEndian>::parse(self.data)?.sections(LE, self.data)?;
        let Some(versions) = sections.versions(LE, self.data)? else { return Ok(Vec::new()) };
        let symbols = sections.symbols(LE, self.data, SHT_DYNSYM)?;
        let mut names = Vec::new();
        for (index, symbol) in symbols.enumerate() {
            let index = versions.version_index(LE, SymbolIndex(index.0)).index();
            let Some(version) = versions.version(index)? else { continue };
            if version.name() == wanted.as_bytes() {
                names.extend(std::str::from_utf8(symbol.name(LE, symbols.strings())?));
            }
        }
        Ok(names)
    }
}

/// How people call a machine.
pub(crate) fn machine_name(machine: Machine) -> String {
    match machine {
        EM_X86_64 => "x86_64".into(),
        EM_AARCH64 => "arm64".into(),
        EM_386 => "x86".into(),
        EM_ARM => "arm".into(),
        EM_RISCV => "riscv64".into(),
        other => format!("machine number {}", other.0),
    }
}

/// The header of an ELF file whose first bytes were looked at.
pub(crate) fn header(data: &[u8]) -> Result<&FileHeader64<LittleEndian>, Unreadable> {
    FileHeader64::parse(data).map_err(|_| Unreadable::Damaged("its header makes no sense"))
}

fn kind(header: &FileHeader64<LittleEndian>, interpreted: bool, dynamic: &[&Dyn64<LittleEndian>]) -> Kind {
    let independent = || values(dynamic, DT_FLAGS_1).any(|flags| flags & DF_1_PIE != 0);
    match header.e_type(LE) {
        ET_EXEC => Kind::Executable,
        ET_DYN if interpreted || independent() => Kind::Executable,
        ET_DYN => Kind::Library,
        _ => Kind::Other,
    }
}

/// The program headers, and memory as they lay it out.
pub(crate) struct Segments<'d> {
    pub(crate) headers: &'d [ProgramHeader64<LittleEndian>],
    data: &'d [u8],
}

impl<'d> Segments<'d> {
    pub(crate) fn read(header: &FileHeader64<LittleEndian>, data: &'d [u8]) -> Result<Self, Unreadable> {
        let headers = header.program_headers(LE, data);
        let headers = headers.map_err(|_| Unreadable::Damaged("its program headers are not all there"))?;
        let segments = Self { headers, data };
        let is_whole = |segment: &ProgramHeader64<LittleEndian>| segment.data(LE, data).is_ok();
        if headers.iter().filter(|segment| segment.p_type(LE) == PT_LOAD).all(is_whole) {
            Ok(segments)
        } else {
            Err(Unreadable::Damaged("a segment is not all there"))
        }
    }

    fn interpreter(&self) -> Result<Option<&'d str>, Unreadable> {
        for segment in self.headers {
            let damaged = |_| Unreadable::Damaged("the name of its interpreter can't be read");
            if let Some(name) = segment.interpreter(LE, self.data).map_err(damaged)? {
                return text(name).map(Some);
            }
        }
        Ok(None)
    }

    /// The entries of the dynamic segment, up to the one that ends them.
    fn dynamic(&self) -> Result<Vec<&'d Dyn64<LittleEndian>>, Unreadable> {
        for segment in self.headers {
            let damaged = |_| Unreadable::Damaged("its dynamic segment can't be read");
            if let Some(entries) = segment.dynamic(LE, self.data).map_err(damaged)? {
                return Ok(entries.iter().take_while(|entry| entry.d_tag.get(LE).0 != 0).collect());
            }
        }
        Ok(Vec::new())
    }

    /// What will be in memory from an address on, up to the end of its segment.
    fn from(&self, address: u64) -> Option<&'d [u8]> {
        self.headers.iter().filter(|segment| segment.p_type(LE) == PT_LOAD).find_map(|segment| {
            let within = usize::try_from(address.checked_sub(segment.p_vaddr(LE))?).ok()?;
            segment.data(LE, self.data).ok()?.get(within..).filter(|rest| !rest.is_empty())
        })
    }
}

fn values<'a>(dynamic: &'a [&Dyn64<LittleEndian>], tag: DynamicTag) -> impl Iterator<Item = u64> + 'a {
    dynamic.iter().filter(move |entry| entry.d_tag.get(LE) == tag).map(|entry| entry.d_val.get(LE))
}

/// The names that the dynamic segment points to.
struct Strings<'d>(&'d [u8]);

impl<'d> Strings<'d> {
    fn find(segments: &Segments<'d>, dynamic: &[&Dyn64<LittleEndian>]) -> Result<Self, Unreadable> {
        let address = values(dynamic, DT_STRTAB).next();
        let size = values(dynamic, DT_STRSZ).next().unwrap_or(0);
        let bytes =
            address.and_then(|address| segments.from(address)).and_then(|names| names.read_bytes_at(0, size).ok());
        bytes.map(Self).ok_or(Unreadable::Damaged("it has no table of names"))
    }

    fn get(&self, offset: u64) -> Result<&'d str, Unreadable> {
        let damaged = Unreadable::Damaged("a name is outside of its table");
        let rest =
            usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).ok_or_else(|| damaged.clone())?;
        let length = rest.iter().position(|byte| *byte == 0).ok_or(damaged)?;
        text(&rest[..length])
    }
}

fn text(bytes: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(bytes).map_err(|_| Unreadable::Damaged("a name is no text"))
}

/// The list of libraries with a list of versions each. Every step leads forward in the segment, so the lists end.
fn version_needs<'d>(
    segments: &Segments<'d>,
    dynamic: &[&Dyn64<LittleEndian>],
    strings: &Strings<'d>,
) -> Result<Vec<Need<'d>>, Unreadable> {
    let damaged = || Unreadable::Damaged("the versions that it needs can't be read");
    let Some(address) = values(dynamic, DT_VERNEED).next() else { return Ok(Vec::new()) };
    let list = segments.from(address).ok_or_else(damaged)?;
    let (mut at, mut needs) = (0, Vec::new());
    for _ in 0..values(dynamic, DT_VERNEEDNUM).next().unwrap_or(0) {
        let library: &Verneed<LittleEndian> = list.read_at(at).map_err(|()| damaged())?;
        let name = strings.get(library.vn_file.get(LE).into())?;
        let mut version_at = at + u64::from(library.vn_aux.get(LE));
        for _ in 0..library.vn_cnt.get(LE) {
            let version: &Vernaux<LittleEndian> = list.read_at(version_at).map_err(|()| damaged())?;
            needs.push(Need { library: name, version: strings.get(version.vna_name.get(LE).into())? });
            match version.vna_next.get(LE) {
                0 => break,
                next => version_at += u64::from(next),
            }
        }
        match library.vn_next.get(LE) {
            0 => break,
            next => at += u64::from(next),
        }
    }
    Ok(needs)
}

/// The list of versions; the first name of each is its own, the others are of versions that it follows.
fn version_offers<'d>(
    segments: &Segments<'d>,
    dynamic: &[&Dyn64<LittleEndian>],
    strings: &Strings<'d>,
) -> Result<Vec<&'d str>, Unreadable> {
    let damaged = || Unreadable::Damaged("the versions that it offers can't be read");
    let Some(address) = values(dynamic, DT_VERDEF).next() else { return Ok(Vec::new()) };
    let list = segments.from(address).ok_or_else(damaged)?;
    let (mut at, mut offers) = (0, Vec::new());
    for _ in 0..values(dynamic, DT_VERDEFNUM).next().unwrap_or(0) {
        let version: &Verdef<LittleEndian> = list.read_at(at).map_err(|()| damaged())?;
        let name_at = at + u64::from(version.vd_aux.get(LE));
        let name: &Verdaux<LittleEndian> = list.read_at(name_at).map_err(|()| damaged())?;
        offers.push(strings.get(name.vda_name.get(LE).into())?);
        match version.vd_next.get(LE) {
            0 => break,
            next => at += u64::from(next),
        }
    }
    Ok(offers)
}

#[cfg(test)]
pub(crate) mod tests;
