//! The trees that are ingested. They are the same on every machine and do not compress.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// `SplitMix64`: small, fast, and good enough to look like compressed bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let (u, v) = (self.unit().max(f64::MIN_POSITIVE), self.unit());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    fn file(&mut self, path: &Path, bytes: usize) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = io::BufWriter::with_capacity(MIB, fs::File::create(path)?);
        let mut left = bytes;
        while left > 0 {
            let block = self.next().to_le_bytes();
            let some = left.min(block.len());
            file.write_all(&block[..some])?;
            left -= some;
        }
        file.flush()
    }
}

/// 1,996 files with lognormal sizes between 1 KiB and 1 MiB, 200 MiB together, in folders of
/// folders, and four logs of 50 MiB.
pub(crate) fn mixed(root: &Path) -> io::Result<()> {
    let mut random = Random(7);
    let drawn: Vec<f64> = (0..1996).map(|_| (11.0 + 1.2 * random.normal()).exp()).collect();
    // The bounds cut off more than half of the upper tail, so the scale is found by trying.
    let size = |drawn: f64, scale: f64| (drawn * scale).clamp(1024.0, 1_048_576.0);
    let mut scale = 1.0;
    for _ in 0..30 {
        let total: f64 = drawn.iter().map(|drawn| size(*drawn, scale)).sum();
        scale *= 209_715_200.0 / total;
    }
    for (index, drawn) in drawn.into_iter().enumerate() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it lies between 1 KiB and 1 MiB"
        )]
        let bytes = size(drawn, scale) as usize;
        let path =
            root.join(format!("group-{:02}/part-{}/file-{index:04}.bin", index % 40, index % 7));
        random.file(&path, bytes)?;
    }
    (0..4)
        .try_for_each(|index| random.file(&root.join(format!("logs/server-{index}.log")), 50 * MIB))
}

/// 10,000 files of 4 KiB in 100 folders.
pub(crate) fn small(root: &Path) -> io::Result<()> {
    let mut random = Random(8);
    (0..10_000).try_for_each(|index| {
        random.file(&root.join(format!("folder-{:02}/file-{index:05}.bin", index % 100)), 4 * KIB)
    })
}

/// One file of 2 GiB.
pub(crate) fn large(root: &Path) -> io::Result<()> {
    Random(9).file(&root.join("capture.bin"), 2048 * MIB)
}
