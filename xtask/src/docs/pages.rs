//! Whether every page of the manual is listed, and every link leads somewhere.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::Context as _;

use super::markdown::{anchors, links};

/// The manual's folder.
const SOURCE: &str = "docs/src";
/// Documents besides the manual. The files are looked at, the folders with a `README.md` below them.
const DOCUMENTS: &[&str] = &["README.md", "ARCHITECTURE.md", "THREAT_MODEL.md", "CONTRIBUTING.md"];
/// mdbook's directive.
const INCLUDE: &str = "{{#include ";

/// Counts the pages and lists what is wrong with them.
pub(super) fn check(root: &Path) -> anyhow::Result<(usize, Vec<String>)> {
    let source = root.join(SOURCE);
    let mut pages = Vec::new();
    markdown_files(&source, &mut pages)?;
    pages.sort();
    let mut breaches = summary(&source, &pages)?;
    for page in pages.iter().cloned().chain(DOCUMENTS.iter().map(|name| root.join(name))) {
        let text = read(&page)?;
        let folder = page.parent().unwrap_or(root);
        let mut found = broken(&page, &text)?;
        for target in included(&text) {
            match fs::read_to_string(normal(&folder.join(&target))) {
                Err(_) => found.push(format!("includes {target}, which does not exist")),
                // Its links would be looked for beside the page that includes it.
                Ok(text) => found.extend(
                    links(&text)
                        .iter()
                        .filter(|link| !is_elsewhere(link) && !link.starts_with('#'))
                        .map(|link| format!("includes {target}, whose link to {link} would break")),
                ),
            }
        }
        let name = page.strip_prefix(root).unwrap_or(&page).display().to_string();
        breaches.extend(found.into_iter().map(|what| format!("{name} {what}")));
    }
    Ok((pages.len(), breaches))
}

/// Every page is listed, and every page listed is there.
fn summary(source: &Path, pages: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let list = source.join("SUMMARY.md");
    let listed: Vec<PathBuf> = links(&read(&list)?).iter().map(|link| source.join(link)).collect();
    let missing =
        listed.iter().filter(|page| !page.is_file()).map(|page| format!("{} is listed and not there", page.display()));
    let forgotten = pages.iter().filter(|page| **page != list && !listed.contains(page));
    Ok(missing.chain(forgotten.map(|page| format!("{} is not in SUMMARY.md", page.display()))).collect())
}

/// The links of a page that lead nowhere.
fn broken(page: &Path, text: &str) -> anyhow::Result<Vec<String>> {
    let folder = page.parent().unwrap_or_else(|| Path::new("."));
    let mut broken = Vec::new();
    for link in links(text).into_iter().filter(|link| !is_elsewhere(link)) {
        let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
        let target = if file.is_empty() { page.to_owned() } else { normal(&folder.join(file)) };
        if !target.exists() {
            broken.push(format!("links to {link}, which does not exist"));
        } else if let Some(anchor) = anchor
            && !anchors(&whole(&target)?).iter().any(|other| other == anchor)
        {
            broken.push(format!("links to {link}, which has no such heading"));
        }
    }
    Ok(broken)
}

/// A page with what it includes.
fn whole(page: &Path) -> anyhow::Result<String> {
    let mut text = read(page)?;
    let folder = page.parent().unwrap_or_else(|| Path::new("."));
    for target in included(&text) {
        // That a target is missing is said of the page that includes it.
        text.push_str(&fs::read_to_string(normal(&folder.join(target))).unwrap_or_default());
    }
    Ok(text)
}

/// The files that a page includes.
fn included(text: &str) -> Vec<String> {
    let targets = text.split(INCLUDE).skip(1).filter_map(|rest| rest.split("}}").next());
    targets.map(|target| target.trim().to_owned()).collect()
}

fn is_elsewhere(link: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme))
}

/// Without `..`, as a reader of the page would go.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

fn markdown_files(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            markdown_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            super::super::put(&folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_link_to_a_page_or_heading_that_is_not_there_is_a_breach() {
        let folder = folder(&[("b.md", "# One\n")]);
        let page = folder.path().join("a.md");
        assert!(broken(&page, "[x](b.md#one) [y](https://example.com/) [z](b.md)").unwrap().is_empty());
        assert_eq!(broken(&page, "[x](b.md#two)").unwrap().len(), 1);
        assert_eq!(broken(&page, "[x](c.md)").unwrap().len(), 1);
    }

    #[test]
    fn a_page_that_nobody_lists_is_a_breach() {
        let folder = folder(&[("SUMMARY.md", "- [A](a.md)\n- [B](b.md)\n"), ("a.md", ""), ("c.md", "")]);
        let pages = [folder.path().join("a.md"), folder.path().join("c.md")];
        assert_eq!(summary(folder.path(), &pages).unwrap().len(), 2);
    }
}
