//! Products of small blocks, eight by eight: what attention is made of.
//!
//! A head's numbers are packed into panels that the products read from front to back. [`by_row`] turns eight rows into
//! eight lanes; [`by_column`] cuts the columns into strips of eight. Missing rows and columns are zeros.

/// Rows, columns and lanes of a block.
pub(super) const LANES: usize = 8;

pub(super) type Tile = [[f32; LANES]; LANES];

pub(super) const ZERO: Tile = [[0.0; LANES]; LANES];

/// `sum over k of a[k][m] * b[k][n]`, where `a` and `b` hold eight numbers for each k.
#[inline(always)]
pub(super) fn product(a: &[f32], b: &[f32]) -> Tile {
    let (a, _) = a.as_chunks::<LANES>();
    let (b, _) = b.as_chunks::<LANES>();
    let mut sum = ZERO;
    for (a, b) in a.iter().zip(b) {
        for m in 0..LANES {
            for n in 0..LANES {
                sum[m][n] = a[m].mul_add(b[n], sum[m][n]);
            }
        }
    }
    sum
}

/// Adds `sum over k of a[m][k] * b[k][n]` for one block of 8 x 8 `a`.
#[inline(always)]
pub(super) fn add_transposed(a: &[f32], b: &[f32], sum: &mut Tile) {
    let (a, _) = a.as_chunks::<LANES>();
    let (b, _) = b.as_chunks::<LANES>();
    for (k, b) in b.iter().enumerate().take(LANES) {
        for m in 0..LANES {
            let a = a[m][k];
            for n in 0..LANES {
                sum[m][n] = a.mul_add(b[n], sum[m][n]);
            }
        }
    }
}

/// A block of rows inside a wider matrix.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    /// The matrix, from the first row of the block on.
    pub(super) data: &'a [f32],
    /// Numbers from one row to the next.
    pub(super) stride: usize,
    /// The first column.
    pub(super) column: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Block<'_> {
    fn row(&self, row: usize) -> &[f32] {
        let start = row * self.stride + self.column;
        &self.data[start..start + self.columns]
    }
}

/// Numbers of one panel of [`by_row`], for heads `columns` wide.
pub(super) fn panel(columns: usize) -> usize {
    columns * LANES
}

/// One panel for every eight rows: `panel[column][row of eight]`.
pub(super) fn by_row(block: Block<'_>) -> Vec<f32> {
    let panels = block.rows.div_ceil(LANES);
    let mut packed = vec![0.0; panels * panel(block.columns)];
    for (first, into) in packed.chunks_exact_mut(panel(block.columns)).enumerate() {
        for lane in 0..LANES.min(block.rows - first * LANES) {
            for (column, number) in block.row(first * LANES + lane).iter().enumerate() {
                into[column * LANES + lane] = *number;
            }
        }
    }
    packed
}

/// One strip for every eight columns: `strip[row][column of eight]`; rows are padded to a multiple of eight.
pub(super) fn by_column(block: Block<'_>) -> Vec<f32> {
    let strip = block.rows.next_multiple_of(LANES) * LANES;
    let mut packed = vec![0.0; block.columns.div_ceil(LANES) * strip];
    for row in 0..block.rows {
        for (part, numbers) in block.row(row).chunks(LANES).enumerate() {
            let at = part * strip + row * LANES;
            packed[at..at + numbers.len()].copy_from_slice(numbers);
        }
    }
    packed
}
