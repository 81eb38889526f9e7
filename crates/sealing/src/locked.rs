//! Memory for keys that live as long as the process. Each key has its own page, which is locked in
//! memory, excluded from core dumps and wiped on drop.
//!
//! Locking is best effort: when the operating system refuses it (a limit, a container), the key is
//! kept in ordinary memory.

use std::fmt;

use zeroize::Zeroize as _;

/// The smallest page size of the supported machines. With larger pages, the lock covers neighbouring
/// data, too.
const PAGE_BYTES: usize = 4096;

#[repr(C, align(4096))]
struct Page([u8; PAGE_BYTES]);

/// A key of 32 bytes. `Debug` prints only the type name, and there is no `Clone`.
pub(crate) struct LockedKey(Box<Page>);

impl LockedKey {
    /// Locks a page and calls `fill` to write the key into it.
    pub(crate) fn new<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = Self(Box::new(Page([0; PAGE_BYTES])));
        key.keep_in_memory(true);
        let (start, _) = key.0.0.split_first_chunk_mut().expect("a page has more than 32 bytes");
        fill(start)?;
        Ok(key)
    }

    /// Copies a key into a locked page.
    pub(crate) fn of(bytes: &[u8; 32]) -> Self {
        let filled = Self::new(|key| {
            key.copy_from_slice(bytes);
            Ok::<_, std::convert::Infallible>(())
        });
        match filled {
            Ok(key) => key,
            Err(never) => match never {},
        }
    }

    /// Returns the key bytes.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.0.first_chunk().expect("a page has more than 32 bytes")
    }

    #[expect(unsafe_code, reason = "locking memory is a call to the kernel about an address")]
    fn keep_in_memory(&mut self, locked: bool) {
        use rustix::mm::{Advice, madvise, mlock, munlock};
        let start = (&raw mut *self.0).cast();
        // SAFETY: the range is exactly the page that `self` owns. The page outlives both calls, and
        // neither call changes its content.
        let _ = unsafe {
            if locked {
                mlock(start, PAGE_BYTES).and(madvise(start, PAGE_BYTES, Advice::LinuxDontDump))
            } else {
                munlock(start, PAGE_BYTES).and(madvise(start, PAGE_BYTES, Advice::LinuxDoDump))
            }
        };
    }
}

impl Drop for LockedKey {
    fn drop(&mut self) {
        self.0.0.zeroize();
        self.keep_in_memory(false);
    }
}

impl fmt::Debug for LockedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockedKey")
    }
}

#[cfg(test)]
mod tests {
    use super::LockedKey;

    #[test]
    fn a_key_has_its_own_page_that_is_locked_and_not_dumped() {
        let key = LockedKey::of(&[7; 32]);
        assert_eq!(key.expose(), &[7; 32]);
        let address = key.expose().as_ptr().addr();
        assert_eq!(address % super::PAGE_BYTES, 0);
        // The kernel lists the flags of each mapping: `dd` means "do not dump", `lo` means "locked".
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut ours = false;
        let flags = maps.lines().find_map(|line| {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            if let Some((from, to)) = range
                && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                ours = (from..to).contains(&address);
            }
            line.strip_prefix("VmFlags: ").filter(|_| ours)
        });
        let flags: Vec<_> = flags.unwrap().split(' ').collect();
        assert!(flags.contains(&"dd"), "{flags:?}");
        assert!(flags.contains(&"lo"), "{flags:?}");
    }
}
