//! Dot products of bytes with NEON: four to a lane.

#![expect(unsafe_code, reason = "names an instruction")]
#![expect(clippy::inline_always, reason = "only what is inlined is compiled for dot products")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::aarch64::*;
use std::arch::asm;

/// How bytes are multiplied.
///
/// What is generic over it becomes part of `neon::packed` or of `neon::packed_dot`, which are
/// compiled for its instructions, and is called from nowhere else.
pub(crate) trait Dot {
    /// `sum` and, in each lane, the products of four signed bytes.
    ///
    /// # Safety
    /// The processor has the instructions of the implementation.
    unsafe fn signed(sum: int32x4_t, a: uint8x16_t, b: uint8x16_t) -> int32x4_t;

    /// The same for unsigned bytes.
    ///
    /// # Safety
    /// As for [`Self::signed`].
    unsafe fn unsigned(sum: int32x4_t, a: uint8x16_t, b: uint8x16_t) -> int32x4_t;

    /// As [`Self::signed`] with lane `LANE` of `b` for all four.
    ///
    /// # Safety
    /// As for [`Self::signed`].
    #[inline(always)]
    unsafe fn signed_lane<const LANE: i32>(
        sum: int32x4_t,
        a: uint8x16_t,
        b: uint8x16_t,
    ) -> int32x4_t {
        // SAFETY: NEON is part of the architecture, and the caller promises the rest.
        unsafe { Self::signed(sum, a, lane::<LANE>(b)) }
    }

    /// As [`Self::unsigned`] with lane `LANE` of `b` for all four.
    ///
    /// # Safety
    /// As for [`Self::signed`].
    #[inline(always)]
    unsafe fn unsigned_lane<const LANE: i32>(
        sum: int32x4_t,
        a: uint8x16_t,
        b: uint8x16_t,
    ) -> int32x4_t {
        // SAFETY: NEON is part of the architecture, and the caller promises the rest.
        unsafe { Self::unsigned(sum, a, lane::<LANE>(b)) }
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn lane<const LANE: i32>(v: uint8x16_t) -> uint8x16_t {
    vreinterpretq_u8_u32(vdupq_laneq_u32::<LANE>(vreinterpretq_u32_u8(v)))
}

/// For any processor: the products in 16 bits, then the sums.
pub(crate) enum Wide {}

impl Dot for Wide {
    #[inline(always)]
    unsafe fn signed(sum: int32x4_t, a: uint8x16_t, b: uint8x16_t) -> int32x4_t {
        // SAFETY: NEON is part of the architecture, and the caller promises the rest.
        unsafe {
            let (a, b) = (vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b));
            let low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
            let high = vpaddlq_s16(vmull_high_s8(a, b));
            vaddq_s32(sum, vpaddq_s32(low, high))
        }
    }

    #[inline(always)]
    unsafe fn unsigned(sum: int32x4_t, a: uint8x16_t, b: uint8x16_t) -> int32x4_t {
        // SAFETY: NEON is part of the architecture, and the caller promises the rest.
        unsafe {
            let low = vpaddlq_u16(vmull_u8(vget_low_u8(a), vget_low_u8(b)));
            let high = vpaddlq_u16(vmull_high_u8(a, b));
            vaddq_s32(sum, vreinterpretq_s32_u32(vpaddq_u32(low, high)))
        }
    }
}

/// With the instruction for it, by its name: its functions in `std::arch` are not stable yet.
pub(crate) enum Direct {}

macro_rules! dot {
    ($instruction:literal, $sum:ident, $a:ident, $b:ident $(, $lane:ident)?) => {{
        let mut sum = $sum;
        // SAFETY: arithmetic on registers, with an instruction that the caller promises.
        unsafe {
            asm!(
                $instruction,
                sum = inout(vreg) sum,
                a = in(vreg) $a,
                b = in(vreg) $b,
                $(lane = const $lane,)?
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sum
    }};
}

impl Dot for Direct {
    #[inline(always)]
    unsafe fn signed(sum: int32x4_t, a: uint8x16_t, b: uint8x16_t) -> int32x4_t {
        dot!("sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b", sum, a, b)
    }

    #[inline(always)]
    unsafe fn unsigned(sum: int32x4_t, a: uint8x16_t, b: uint8x16_t) -> int32x4_t {
        dot!("udot {sum:v}.4s, {a:v}.16b, {b:v}.16b", sum, a, b)
    }

    #[inline(always)]
    unsafe fn signed_lane<const LANE: i32>(
        sum: int32x4_t,
        a: uint8x16_t,
        b: uint8x16_t,
    ) -> int32x4_t {
        dot!("sdot {sum:v}.4s, {a:v}.16b, {b:v}.4b[{lane}]", sum, a, b, LANE)
    }

    #[inline(always)]
    unsafe fn unsigned_lane<const LANE: i32>(
        sum: int32x4_t,
        a: uint8x16_t,
        b: uint8x16_t,
    ) -> int32x4_t {
        dot!("udot {sum:v}.4s, {a:v}.16b, {b:v}.4b[{lane}]", sum, a, b, LANE)
    }
}
