//! The Merkle tree over the entries, RFC 6962 §2.1 (RFC 9162 §2.1), grown one leaf at a time.
//!
//! Only the right edge of the tree is kept: the roots of its perfect subtrees, largest first. The
//! edge suffices to append a leaf, to compute the root, and to continue a log from the middle
//! without the entries before.

use aws_lc_rs::digest::{Context, SHA256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The right edge of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// One subtree of 2ⁱ leaves for each set bit i of `size`, largest first.
    subtrees: Vec<Hash>,
}

/// The error for a list of hashes that cannot be the edge of a tree of the given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tree of {size} leaves has an edge of {expected} hashes, not {found}")]
pub struct MalformedFrontier {
    size: u64,
    expected: u32,
    found: usize,
}

impl Frontier {
    /// Rebuilds an edge from its parts.
    ///
    /// # Errors
    /// [`MalformedFrontier`] when there are more or fewer hashes than the size needs.
    pub fn from_parts(size: u64, subtrees: Vec<Hash>) -> Result<Self, MalformedFrontier> {
        let expected = size.count_ones();
        if subtrees.len() != expected as usize {
            return Err(MalformedFrontier { size, expected, found: subtrees.len() });
        }
        Ok(Self { size, subtrees })
    }

    /// Returns the number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the roots of the perfect subtrees, largest first.
    #[must_use]
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// Appends a leaf, given its leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each trailing 1 bit of the size stands for a subtree as large as `node`: merge the two.
        for _ in 0..self.size.trailing_ones() {
            let left = self.subtrees.pop().expect("a subtree for every bit of the size");
            node = inner(&left, &node);
        }
        self.subtrees.push(node);
        self.size += 1;
    }

    /// Returns the root hash. The root of an empty tree is the hash of no bytes.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut smaller_first = self.subtrees.iter().rev();
        let Some(smallest) = smaller_first.next() else { return digest(&[]) };
        smaller_first.fold(*smallest, |right, left| inner(left, &right))
    }
}

/// Returns the hash of a leaf: SHA-256(0x00 ‖ bytes).
pub(crate) fn leaf_hash(bytes: &[u8]) -> Hash {
    digest(&[&[0], bytes])
}

/// Returns the hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
fn inner(left: &Hash, right: &Hash) -> Hash {
    digest(&[&[1], left, right])
}

pub(crate) fn digest(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::{Frontier, Hash, digest, inner, leaf_hash};

    /// Computes the root by the recursive definition of RFC 6962 §2.1.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => digest(&[]),
            [leaf] => *leaf,
            _ => {
                let half = leaves.len().next_power_of_two() / 2;
                inner(&by_definition(&leaves[..half]), &by_definition(&leaves[half..]))
            }
        }
    }

    fn hex(hash: Hash) -> String {
        hex::encode(hash)
    }

    #[test]
    fn the_root_is_the_one_that_the_standard_defines_at_every_size() {
        let leaves: Vec<Hash> = (0_u32..130).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut tree = Frontier::default();
        assert_eq!(tree.root(), by_definition(&[]));
        for (n, leaf) in leaves.iter().enumerate() {
            tree.push(*leaf);
            assert_eq!((tree.size(), tree.root()), (n as u64 + 1, by_definition(&leaves[..=n])));
            let again = Frontier::from_parts(tree.size(), tree.subtrees().to_vec());
            assert_eq!(again.as_ref(), Ok(&tree));
        }
    }

    /// The eight leaves and their roots are the published test vectors of the reference
    /// implementation of Certificate Transparency.
    #[test]
    fn the_root_is_that_of_the_reference_vectors() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut tree = Frontier::default();
        assert_eq!(hex(tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        tree.push(leaf_hash(leaves[0]));
        assert_eq!(hex(tree.root()), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        for leaf in &leaves[1..] {
            tree.push(leaf_hash(leaf));
        }
        assert_eq!(hex(tree.root()), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn an_edge_that_does_not_fit_its_size_is_refused() {
        assert!(Frontier::from_parts(3, vec![[0; 32]]).is_err());
        assert!(Frontier::from_parts(4, vec![[0; 32]; 2]).is_err());
        assert_eq!(
            Frontier::from_parts(1, vec![]).unwrap_err().to_string(),
            "a tree of 1 leaves has an edge of 1 hashes, not 0"
        );
    }
}
