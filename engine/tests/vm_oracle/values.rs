//! Arithmetic of both fields as in school: independent of the engine's, slow, and obvious.

/// The prime of the machine under test.
pub const P: u128 = 198_766_463_529_478_683_931_867_765_928_436_695_041;

/// The field of an instruction.
#[derive(Clone, Copy)]
pub enum Domain {
    Prime,
    /// GF(2^n) of this degree.
    Binary(u32),
}

impl Domain {
    pub fn add(self, a: u128, b: u128) -> u128 {
        match self {
            Domain::Prime => match a.overflowing_add(b) {
                (sum, false) if sum < P => sum,
                (sum, _) => sum.wrapping_sub(P),
            },
            Domain::Binary(_) => a ^ b,
        }
    }

    pub fn sub(self, a: u128, b: u128) -> u128 {
        match self {
            Domain::Prime if a >= b => a - b,
            Domain::Prime => P - (b - a),
            Domain::Binary(_) => a ^ b,
        }
    }

    /// By doubling and adding.
    pub fn mul(self, a: u128, b: u128) -> u128 {
        (0..128 - b.leading_zeros()).rev().fold(0, |product, bit| {
            let doubled = self.double(product);
            if b >> bit & 1 == 1 { self.add(doubled, a) } else { doubled }
        })
    }

    /// Twice a residue; a polynomial times X.
    fn double(self, a: u128) -> u128 {
        let Domain::Binary(degree) = self else { return self.add(a, a) };
        let tail = if degree == 128 { 0x87 } else { 1 << 20 | 1 << 15 | 1 << 10 | 1 };
        self.cut(a << 1) ^ if a >> (degree - 1) & 1 == 1 { tail } else { 0 }
    }

    pub fn pow(self, a: u128, exponent: u128) -> u128 {
        (0..128 - exponent.leading_zeros()).rev().fold(1, |power, bit| {
            let square = self.mul(power, power);
            if exponent >> bit & 1 == 1 { self.mul(square, a) } else { square }
        })
    }

    /// a^(q−2); 0 has none.
    pub fn inverse(self, a: u128) -> Option<u128> {
        let order_less_2 = match self {
            Domain::Prime => P - 2,
            Domain::Binary(degree) => (u128::MAX >> (128 - degree)) - 1,
        };
        (a != 0).then(|| self.pow(a, order_less_2))
    }

    /// An element from bits: modulo p, or without what does not fit.
    pub fn cut(self, bits: u128) -> u128 {
        match self {
            Domain::Prime => bits % P,
            Domain::Binary(degree) => bits & (u128::MAX >> (128 - degree)),
        }
    }

    /// A 64-bit integer: signed in F_p, a pattern in GF(2^n).
    pub fn integer(self, value: i64) -> u128 {
        match self {
            Domain::Prime if value < 0 => P - u128::from(value.unsigned_abs()),
            _ => self.cut(u128::from(value as u64)),
        }
    }

    /// A 32-bit immediate.
    pub fn immediate(self, value: i64) -> u128 {
        match self {
            Domain::Prime => self.integer(value),
            Domain::Binary(_) => self.cut(u128::from(value as u32)),
        }
    }

    pub fn show(self, a: u128) -> String {
        match self {
            Domain::Prime if a > (P - 1) / 2 => format!("-{}", P - a),
            Domain::Prime => a.to_string(),
            Domain::Binary(128) => format!("{a:032x}"),
            Domain::Binary(_) => format!("{a:x}"),
        }
    }
}

/// Sign and magnitude as conversions see them.
pub fn signed(a: u128) -> (bool, u128) {
    if a >= (P - 1) / 2 { (true, P - a) } else { (false, a) }
}
