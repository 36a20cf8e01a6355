//! Takes out of an executable what is never loaded: debug information, the symbol table, comments.
//!
//! All that is loaded stays where it is in the file, byte for byte, so nothing has to be relocated: what lies behind the
//! last segment is cut off, and a new section header table goes there, in which loaded sections keep their numbers. Of
//! `object::build`, which can do this too, nothing is needed: it lays the whole file out again.

use object::elf::{
    FileHeader64, SHF_ALLOC, SHT_NOBITS, SHT_NULL, SHT_STRTAB, SectionFlags, SectionHeader64, SymbolSection,
};
use object::pod::{bytes_of, bytes_of_slice};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};
use object::{LittleEndian, U16, U32, U64};

use crate::elf::{Segments, header};

const LE: LittleEndian = LittleEndian;
type Header = FileHeader64<LittleEndian>;
type Section = SectionHeader64<LittleEndian>;

/// The executable without what is never loaded; `None` if it has to stay as it is: there is nothing to take out, its
/// section headers make no sense, or more than an executable is in the file. A program may have data of its own behind
/// its end, which only the program knows how to find.
pub(crate) fn strip(data: &[u8]) -> Option<Vec<u8>> {
    let file = header(data).ok()?;
    let sections = file.sections(LE, data).ok()?;
    let table: Vec<Section> = sections.iter().copied().collect();
    let last = table.iter().rposition(is_loaded)?;
    let end = end_of_loaded(file, data, &table)?;
    if end >= data.len() || has_more(file, data, &table, end) {
        return None;
    }

    let mut names = vec![0];
    let mut kept = vec![empty()];
    for section in table.iter().take(last + 1).skip(1) {
        if is_loaded(section) {
            let name = sections.section_name(LE, section).ok()?;
            kept.push(Section { sh_name: offset(names.len()), sh_link: link(section, &table), ..*section });
            names.extend_from_slice(name);
            names.push(0);
        } else {
            kept.push(empty());
        }
    }
    let mut own = Section { sh_name: offset(names.len()), sh_type: U32::new(LE, SHT_STRTAB), ..empty() };
    names.extend_from_slice(b".shstrtab\0");
    own.sh_offset = U64::new(LE, end as u64);
    own.sh_size = U64::new(LE, names.len() as u64);
    own.sh_addralign = U64::new(LE, 1);
    kept.push(own);
    write(file, &data[..end], &names, &kept).filter(|stripped| stripped.len() < data.len())
}

/// The parts behind each other; `None` if there are too many sections for an ordinary table.
fn write(file: &Header, loaded: &[u8], names: &[u8], sections: &[Section]) -> Option<Vec<u8>> {
    let mut out = [loaded, names].concat();
    out.resize(out.len().next_multiple_of(8), 0);
    let count = u16::try_from(sections.len()).ok().filter(|count| *count < 0xff00)?;
    let header = Header {
        e_shoff: U64::new(LE, out.len() as u64),
        e_shnum: U16::new(LE, count),
        e_shstrndx: U16::new(LE, SymbolSection(count - 1)),
        ..*file
    };
    out.extend_from_slice(bytes_of_slice(sections));
    let start = bytes_of(&header);
    out[..start.len()].copy_from_slice(start);
    Some(out)
}

fn is_loaded(section: &Section) -> bool {
    section.sh_flags(LE).contains(SHF_ALLOC)
}

/// Where in the file the last loaded byte is, and all that tells the kernel what to load.
fn end_of_loaded(file: &Header, data: &[u8], table: &[Section]) -> Option<usize> {
    let segments = Segments::read(file, data).ok()?;
    let size = u64::from(file.e_phentsize.get(LE)) * segments.headers.len() as u64;
    let headers = [file.e_phoff.get(LE).saturating_add(size), size_of::<Header>() as u64];
    let segments = segments.headers.iter().map(|it| it.p_offset(LE).saturating_add(it.p_filesz(LE)));
    let sections = table.iter().filter(|section| is_loaded(section)).map(end_of_section);
    let end = headers.into_iter().chain(segments).chain(sections).max()?;
    usize::try_from(end).ok().filter(|end| *end <= data.len())
}

fn end_of_section(section: &Section) -> u64 {
    let size = if section.sh_type(LE) == SHT_NOBITS { 0 } else { section.sh_size(LE) };
    section.sh_offset(LE).saturating_add(size)
}

/// Whether there is anything but zeros behind all that the headers speak of.
fn has_more(file: &Header, data: &[u8], table: &[Section], end: usize) -> bool {
    let headers = file.e_shoff.get(LE).saturating_add(size_of_val(table) as u64);
    let known = table.iter().map(end_of_section).chain([headers, end as u64]).max().unwrap_or(0);
    let rest = usize::try_from(known).ok().and_then(|known| data.get(known..));
    rest.is_some_and(|rest| rest.iter().any(|byte| *byte != 0))
}

/// A link to a section that goes is a link to none.
fn link(section: &Section, table: &[Section]) -> U32<LittleEndian> {
    let linked = table.get(section.sh_link(LE) as usize);
    if linked.is_some_and(is_loaded) { section.sh_link } else { U32::new(LE, 0) }
}

fn offset(length: usize) -> U32<LittleEndian> {
    U32::new(LE, u32::try_from(length).unwrap_or(u32::MAX))
}

fn empty() -> Section {
    Section {
        sh_name: U32::new(LE, 0),
        sh_type: U32::new(LE, SHT_NULL),
        sh_flags: U64::new(LE, SectionFlags(0)),
        sh_addr: U64::new(LE, 0),
        sh_offset: U64::new(LE, 0),
        sh_size: U64::new(LE, 0),
        sh_link: U32::new(LE, 0),
        sh_info: U32::new(LE, 0),
        sh_addralign: U64::new(LE, 0),
        sh_entsize: U64::new(LE, 0),
    }
}

#[cfg(test)]
mod tests;
