//! The instructions of this processor: which of them the kernels use, found out once a call.

/// Which instructions the kernels use. Chosen once a call, from what the processor says it has.
///
/// All but the portable one compute the same bits in every product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Any processor.
    Portable,

    /// x86-64-v3: AVX2, FMA and F16C, that is Intel since 2013, AMD since 2015.
    #[cfg(target_arch = "x86_64")]
    Avx2,

    /// AVX-512 with VNNI: Intel's servers since 2019, AMD since 2022. Not those without VNNI, which
    /// slow down for wide registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,

    /// Any 64-bit ARM.
    #[cfg(target_arch = "aarch64")]
    Neon,

    /// The dot products of bytes of ARM v8.2: Apple's since 2020, ARM's servers since 2019.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Level {
    /// The slowest first.
    const ALL: &[Self] = &[
        Self::Portable,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
        #[cfg(target_arch = "aarch64")]
        Self::NeonDot,
    ];

    /// Every level that this processor can run, the slowest first.
    pub(crate) fn all() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.iter().copied().filter(|level| level.runs_here())
    }

    /// The best that this processor can do.
    pub fn best() -> Self {
        Self::all().next_back().expect("the portable level runs everywhere")
    }

    /// Whether this processor, and what runs it, has all instructions of the level.
    fn runs_here(self) -> bool {
        // The macros remember their answers: a load and a test each.
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.runs_here()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512 with VNNI",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => "NEON with dot products",
        }
    }
}

/// The instructions that are used on this processor, such as `AVX2`.
pub fn instructions() -> &'static str {
    Level::best().name()
}

/// Calls `$function` in a copy that is compiled for `$level`, whose loops become its vectors.
/// The function and what it calls must be `#[inline(always)]` to be part of that copy.
macro_rules! at_level {
    ($level:expr, $function:ident, $($arg:ident: $type:ty),*) => {
        match $level {
            Level::Portable => $function($($arg),*),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => {
                #[target_feature(enable = "avx2,fma")]
                fn compiled($($arg: $type),*) {
                    $function($($arg),*);
                }
                // SAFETY: this level is only chosen where the processor has AVX2 and FMA.
                unsafe { compiled($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
                fn compiled($($arg: $type),*) {
                    $function($($arg),*);
                }
                // SAFETY: this level is only chosen where the processor has all of these.
                unsafe { compiled($($arg),*) }
            }
            // Everything for this architecture is compiled for NEON.
            #[cfg(target_arch = "aarch64")]
            Level::Neon | Level::NeonDot => $function($($arg),*),
        }
    };
}
pub(super) use at_level;
