//! How a run is laid over processors: what accelerate is told, and `DeepSpeed`.

use serde_json::{Map, Value, json};

use super::error::Error;

/// A way to lay out a run, by a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Two processes without a GPU: to try a bundle before it is sent anywhere.
    Cpu,
    #[default]
    OneGpu,
    SeveralGpus,
    Zero2,
    Zero3,
    Fsdp2,
    Machines,

    /// The run that courses end with: Llama-2-13B, every weight, eight GPUs, ZeRO-2, cosine.
    Llama2,
}

impl Preset {
    pub const ALL: [Self; 8] = [
        Self::Cpu,
        Self::OneGpu,
        Self::SeveralGpus,
        Self::Zero2,
        Self::Zero3,
        Self::Fsdp2,
        Self::Machines,
        Self::Llama2,
    ];

    /// As the command line and the manifest name it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::OneGpu => "one-gpu",
            Self::SeveralGpus => "several-gpus",
            Self::Zero2 => "zero2",
            Self::Zero3 => "zero3",
            Self::Fsdp2 => "fsdp2",
            Self::Machines => "machines",
            Self::Llama2 => "llama2-13b",
        }
    }

    /// As a person would say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Cpu => "two processes on the CPU, to try the bundle",
            Self::OneGpu => "one GPU",
            Self::SeveralGpus => "several GPUs, each with the whole model (DDP)",
            Self::Zero2 => {
                "several GPUs, DeepSpeed ZeRO-2 (gradients and optimizer states are sharded)"
            }
            Self::Zero3 => "several GPUs, DeepSpeed ZeRO-3 (weights are sharded, too)",
            Self::Fsdp2 => {
                "several GPUs, FSDP2 (weights, gradients and optimizer states are sharded)"
            }
            Self::Machines => "several machines with several GPUs each (FSDP2)",
            Self::Llama2 => {
                "Llama-2-13B, full fine-tuning, eight GPUs, DeepSpeed ZeRO-2, cosine schedule"
            }
        }
    }

    pub fn named(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.key() == key)
    }

    /// On so many GPUs a machine and so many machines; what is not said is usual.
    pub fn layout(self, gpus: Option<usize>, machines: Option<usize>) -> Result<Layout, Error> {
        let (parts, usual_gpus, usual_machines) = match self {
            Self::Cpu => (Parts::Cpu, 2, 1),
            Self::OneGpu => (Parts::Whole, 1, 1),
            Self::SeveralGpus => (Parts::Whole, 4, 1),
            Self::Zero2 => (Parts::Zero2, 4, 1),
            Self::Zero3 => (Parts::Zero3, 4, 1),
            Self::Fsdp2 => (Parts::Fsdp2, 4, 1),
            Self::Machines => (Parts::Fsdp2, 4, 2),
            Self::Llama2 => (Parts::Zero2, 8, 1),
        };
        let gpus = gpus.unwrap_or(usual_gpus);
        let machines = machines.unwrap_or(usual_machines);
        if !(1..=64).contains(&gpus) || !(1..=256).contains(&machines) {
            let found = format!("{gpus} GPUs on each of {machines} machines");
            let words = format!(
                "a run can have 1 to 64 GPUs per machine and 1 to 256 machines, not {found}"
            );
            return Err(Error::Preset(words));
        }
        if self == Self::OneGpu && (gpus, machines) != (1, 1) {
            let words =
                "the preset one-gpu has one GPU: choose several-gpus, zero2, zero3 or fsdp2";
            return Err(Error::Preset(words.to_owned()));
        }
        if self != Self::Machines && machines != 1 {
            let words =
                format!("the preset {} is for one machine: choose the preset machines", self.key());
            return Err(Error::Preset(words));
        }
        Ok(Layout { parts, gpus, machines })
    }
}

/// What each processor has of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// All of it, and there is no GPU.
    Cpu,
    Whole,
    Zero2,
    Zero3,
    Fsdp2,
}

/// A preset with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub parts: Parts,

    /// A machine; processes, where there is no GPU.
    pub gpus: usize,
    pub machines: usize,
}

impl Layout {
    pub fn processes(self) -> usize {
        self.gpus * self.machines
    }

    pub fn is_cpu(self) -> bool {
        self.parts == Parts::Cpu
    }

    /// `DeepSpeed`'s stage.
    pub(super) fn zero_stage(self) -> Option<u8> {
        match self.parts {
            Parts::Zero2 => Some(2),
            Parts::Zero3 => Some(3),
            Parts::Cpu | Parts::Whole | Parts::Fsdp2 => None,
        }
    }

    /// accelerate's configuration. `bf16`: as `config.yaml` says.
    pub(super) fn accelerate(self, bf16: bool) -> Map<String, Value> {
        let processes = self.processes();
        let kind = match self.parts {
            Parts::Whole if processes == 1 => "NO",
            // With MULTI_CPU accelerate expects MPI; `use_cpu` of config.yaml makes this gloo.
            Parts::Cpu | Parts::Whole => "MULTI_GPU",
            Parts::Zero2 | Parts::Zero3 => "DEEPSPEED",
            Parts::Fsdp2 => "FSDP",
        };
        let mut keys = Map::new();
        let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
        put("compute_environment", json!("LOCAL_MACHINE"));
        put("debug", json!(false));
        put("distributed_type", json!(kind));
        put("downcast_bf16", json!("no"));
        put("enable_cpu_affinity", json!(false));
        put("machine_rank", json!(0));
        put("main_training_function", json!("main"));
        if self.zero_stage().is_none() {
            // DeepSpeed has it from its own file.
            put("mixed_precision", json!(if bf16 { "bf16" } else { "no" }));
        }
        put("num_machines", json!(self.machines));
        put("num_processes", json!(processes));
        put("rdzv_backend", json!(if self.machines > 1 { "c10d" } else { "static" }));
        put("same_network", json!(true));
        put("use_cpu", json!(false));
        match self.parts {
            Parts::Zero2 | Parts::Zero3 => {
                let config = json!({
                    "deepspeed_config_file": "deepspeed.json",
                    "deepspeed_multinode_launcher": "standard",
                    "zero3_init_flag": self.parts == Parts::Zero3,
                });
                put("deepspeed_config", config);
            }
            Parts::Fsdp2 => {
                let config = json!({
                    "fsdp_activation_checkpointing": false,
                    "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
                    "fsdp_cpu_ram_efficient_loading": true,
                    "fsdp_offload_params": false,
                    "fsdp_reshard_after_forward": true,
                    "fsdp_state_dict_type": "FULL_STATE_DICT",
                    "fsdp_version": 2,
                });
                put("fsdp_config", config);
            }
            Parts::Cpu | Parts::Whole => {}
        }
        keys
    }

    /// `DeepSpeed`'s file. transformers fills in what is `auto` from `config.yaml`.
    pub(super) fn deepspeed(self) -> Option<Value> {
        let stage = self.zero_stage()?;
        let mut zero = json!({
            "stage": stage,
            "overlap_comm": true,
            "contiguous_gradients": true,
            "reduce_bucket_size": "auto",
        });
        if stage == 3 {
            zero["stage3_prefetch_bucket_size"] = json!("auto");
            zero["stage3_param_persistence_threshold"] = json!("auto");
            zero["stage3_gather_16bit_weights_on_model_save"] = json!(true);
        }
        Some(json!({
            "bf16": {"enabled": "auto"},
            "fp16": {"enabled": "auto"},
            "zero_optimization": zero,
            "gradient_accumulation_steps": "auto",
            "gradient_clipping": "auto",
            "train_batch_size": "auto",
            "train_micro_batch_size_per_gpu": "auto",
        }))
    }
}
