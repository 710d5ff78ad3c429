//! The programs that are measured, in the dialect that everybody writes, compiled here once.
//!
//! Vectors are of constants made secret; what is printed in the end shows that the result is right.

use polyyne_programs::{CompileOptions, CompileRequest};
use serde_bytes::ByteBuf;

use super::party::Order;
use crate::cli::failure::{Context as _, Failure};

/// A program with its size.
pub struct Source {
    pub name: &'static str,
    text: &'static str,
    pub sizes: Sizes,
    edabits: bool,
    expected: fn(&Sizes) -> u64,
}

/// What stands as `SIZE` and `TIMES` in a source.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub size: u64,
    pub times: u64,
}

/// Multiplications that do not wait for each other, a vector of them in a round.
pub const PARALLEL: Source = Source {
    name: "online.mul.parallel",
    text: "
x = sint(3, size=SIZE)
y = sint(1, size=SIZE)
for _ in range(TIMES):
    x = x * y
print_ln('%s', (x[0] + x[SIZE - 1]).reveal())
",
    sizes: Sizes { size: 100_000, times: 5 },
    edabits: false,
    expected: |_| 6,
};

/// Multiplications of which each needs the one before: a round each.
pub const SEQUENTIAL: Source = Source {
    name: "online.mul.sequential",
    text: "
x = sint(3)
y = sint(1)
for _ in range(TIMES):
    x = x * y
print_ln('%s', x.reveal())
",
    sizes: Sizes { size: 1, times: 5_000 },
    edabits: false,
    expected: |_| 3,
};

pub const OPEN: Source = Source {
    name: "online.open",
    text: "
x = sint(3, size=SIZE)
total = cint(0)
for _ in range(TIMES):
    total = total + x.reveal()[SIZE - 1]
    break_point()
print_ln('%s', total)
",
    sizes: Sizes { size: 100_000, times: 10 },
    edabits: false,
    expected: |sizes| 3 * sizes.times,
};

const COMPARE: &str = "
x = sint(3, size=SIZE)
y = sint(5, size=SIZE)
for _ in range(TIMES):
    less = x < y
    x = x + less
print_ln('%s', (x[0] + x[SIZE - 1]).reveal())
";

pub const COMPARE_64: Source = Source {
    name: "online.lt64",
    text: COMPARE,
    sizes: Sizes { size: 2_000, times: 1 },
    edabits: false,
    expected: |_| 8,
};

pub const COMPARE_64_EDABITS: Source = Source { name: "online.lt64.edabit", edabits: true, ..COMPARE_64 };

pub const MATRIX: Source = Source {
    name: "online.matmul100",
    text: "
a = sint.Matrix(SIZE, SIZE)
b = sint.Matrix(SIZE, SIZE)
a.assign_all(2)
b.assign_all(3)
c = a * b
print_ln('%s', (c[0][0] + c[SIZE - 1][SIZE - 1]).reveal())
",
    sizes: Sizes { size: 100, times: 1 },
    edabits: false,
    expected: |sizes| 12 * sizes.size,
};

impl Source {
    /// With sizes for a look whether it works.
    pub fn quick(self) -> Self {
        let Sizes { size, times } = self.sizes;
        Self { sizes: Sizes { size: size.min(10), times: times.min(3) }, ..self }
    }

    /// Items that one run makes.
    pub fn items(&self) -> u64 {
        self.sizes.size * self.sizes.times
    }

    /// Compiles it, for the parties to load.
    pub fn compile(&self) -> Result<Order, Failure> {
        let Sizes { size, times } = &self.sizes;
        let text = self.text.replace("SIZE", &size.to_string()).replace("TIMES", &times.to_string());
        let mut request = CompileRequest::new(format!("{}.mpc", self.name), text);
        request.options = CompileOptions { edabits: self.edabits, ..CompileOptions::default() };
        let compiled = polyyne_programs::compile(&request).or_failed(self.name)?;
        let expected = format!("{}\n", (self.expected)(&self.sizes));
        Ok(Order::Load { program: ByteBuf::from(compiled.program.to_bytes()), expected })
    }
}
