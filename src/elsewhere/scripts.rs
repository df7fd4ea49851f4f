//! What starts a bundle: for a shell, for SLURM, for Hugging Face Jobs; and what it needs installed.

use super::base::Base;
use super::engine::Engine;
use super::preset::Layout;
use crate::train::config::TrainConfig;
use crate::train::config::rewards::Rule;

/// The versions that a bundle is checked with (`tests/reference/check_bundles.py`).
const TRL: &[&str] = &[
    "accelerate==1.15.0",
    "datasets==5.2.0",
    "peft==0.21.2",
    "torch>=2.8",
    "transformers==5.23.0",
    "trl==1.16.0",
];

/// What is to be installed, a line each.
pub(super) fn requirements(config: &TrainConfig, layout: Layout, engine: Engine) -> Vec<String> {
    let mut all: Vec<String> = match engine {
        Engine::Trl | Engine::HfJobs => TRL.iter().map(|line| (*line).to_owned()).collect(),
        Engine::LlamaFactory => vec!["llamafactory==0.9.5".to_owned()],
        Engine::Axolotl => vec!["axolotl==0.19.0".to_owned()],
    };
    if layout.zero_stage().is_some() {
        all.push("deepspeed>=0.18".to_owned());
    }
    let has_schema = |rule: &Rule| matches!(rule, Rule::Json { schema: Some(_) });
    if config.rewards.iter().any(|reward| has_schema(&reward.rule)) {
        all.push("jsonschema>=4".to_owned());
    }
    all.sort();
    all
}

/// What a shell runs, in the bundle's folder; `$python` is Python.
fn command(layout: Layout, engine: Engine) -> String {
    match engine {
        Engine::Trl | Engine::HfJobs => {
            let machines = if layout.machines > 1 {
                " \\\n  --machine_rank \"${MACHINE_RANK:?set MACHINE_RANK: 0 on the first machine, then 1, …}\" \\\n  \
                 --main_process_ip \"${MAIN_ADDRESS:?set MAIN_ADDRESS to the first machine}\" --main_process_port \
                 29500"
            } else {
                ""
            };
            format!(
                "\"$python\" -m accelerate.commands.launch --config_file accelerate.yaml{machines} \\\n  \
                 train.py --config config.yaml \"$@\""
            )
        }
        Engine::LlamaFactory => {
            let many = if layout.processes() > 1 { "FORCE_TORCHRUN=1 " } else { "" };
            let machines = if layout.machines > 1 {
                format!(
                    "NNODES={} NODE_RANK=\"${{MACHINE_RANK:?}}\" MASTER_ADDR=\"${{MAIN_ADDRESS:?}}\" \
                     MASTER_PORT=29500 ",
                    layout.machines
                )
            } else {
                String::new()
            };
            format!("{many}{machines}llamafactory-cli train llama_factory.yaml \"$@\"")
        }
        Engine::Axolotl => "axolotl train axolotl.yaml --launcher accelerate \"$@\"".to_owned(),
    }
}

/// `run.sh`.
pub(super) fn shell(layout: Layout, engine: Engine) -> String {
    let run = command(layout, engine);
    format!(
        "#!/bin/sh\n\
         # Starts the run in this folder. PYTHON names another Python than python3.\n\
         set -eu\n\
         cd \"$(dirname \"$0\")\"\n\
         python=${{PYTHON:-python3}}\n\
         export TOKENIZERS_PARALLELISM=false\n\
         mkdir -p out\n\
         rm -f out/exit_status\n\
         status=0\n\
         env {run} || status=$?\n\
         echo \"$status\" > out/exit_status\n\
         exit \"$status\"\n"
    )
}

/// `slurm.sbatch`.
pub(super) fn slurm(layout: Layout, name: &str) -> String {
    let Layout { gpus, machines, .. } = layout;
    let resources = if layout.is_cpu() {
        format!("#SBATCH --cpus-per-task={gpus}\n")
    } else {
        format!("#SBATCH --gres=gpu:{gpus}\n#SBATCH --cpus-per-task={}\n", 4 * gpus)
    };
    let run = if machines > 1 {
        "export MAIN_ADDRESS=$(scontrol show hostnames \"$SLURM_JOB_NODELIST\" | head -n 1)\n\
         srun sh -c 'MACHINE_RANK=$SLURM_NODEID sh run.sh'\n"
    } else {
        "srun sh run.sh\n"
    };
    format!(
        "#!/bin/bash\n\
         #SBATCH --job-name={name}\n\
         #SBATCH --nodes={machines}\n\
         #SBATCH --ntasks-per-node=1\n\
         {resources}\
         #SBATCH --time=02:00:00\n\
         #SBATCH --output=slurm-%j.log\n\
         # Compute nodes often have no network: fetch the model on the login node first, as README.md says.\n\
         set -eu\n\
         cd \"$SLURM_SUBMIT_DIR\"\n\
         export HF_HUB_OFFLINE=1\n\
         {run}"
    )
}

/// `job.py` of Hugging Face Jobs: its header says on what it runs, and it starts the bundle that is
/// mounted beside it.
pub(super) fn job(flavor: &str, requirements: &[String]) -> String {
    let dependencies: Vec<String> =
        requirements.iter().map(|line| format!("#     \"{line}\",\n")).collect();
    format!(
        "# /// script\n\
         # requires-python = \">=3.10\"\n\
         # dependencies = [\n{}# ]\n\
         # [tool.hf-jobs]\n\
         # flavor = \"{flavor}\"\n\
         # timeout = \"4h\"\n\
         # secrets = [\"HF_TOKEN\"]\n\
         # volumes = [\"./bundle:/bundle\", \"./out:/out:rw\"]\n\
         # ///\n\
         \"\"\"Runs the bundle on a machine of Hugging Face's: hf jobs uv run job.py\"\"\"\n\
         \n\
         import shutil\n\
         import subprocess\n\
         import sys\n\
         \n\
         shutil.copytree(\"/bundle\", \"/tmp/run\")\n\
         launch = [sys.executable, \"-m\", \"accelerate.commands.launch\", \"--config_file\", \"accelerate.yaml\"]\n\
         train = [\"train.py\", \"--config\", \"config.yaml\", \"--output_dir\", \"/out\"]\n\
         sys.exit(subprocess.call(launch + train, cwd=\"/tmp/run\"))\n",
        dependencies.concat()
    )
}

/// A machine of Hugging Face's with so many GPUs of so many gigabytes; what it is called there.
pub(super) fn flavor(gpus: usize, gigabytes: u64) -> Option<&'static str> {
    const FLAVORS: [(usize, u64, &str); 15] = [
        (1, 16, "t4-small"),
        (1, 24, "l4x1"),
        (1, 48, "l40sx1"),
        (1, 80, "a100-large"),
        (1, 141, "h200"),
        (2, 24, "a10g-largex2"),
        (2, 141, "h200x2"),
        (4, 24, "l4x4"),
        (4, 48, "l40sx4"),
        (4, 80, "a100x4"),
        (4, 141, "h200x4"),
        (8, 48, "l40sx8"),
        (8, 80, "a100x8"),
        (8, 96, "rtx-pro-6000x8"),
        (8, 141, "h200x8"),
    ];
    let fits = |flavor: &&(usize, u64, &str)| flavor.0 == gpus && flavor.1 >= gigabytes;
    FLAVORS.iter().find(fits).map(|(_, _, name)| *name)
}

/// `README.md`.
pub(super) fn readme(engine: Engine, layout: Layout, base: &Base, notes: &[String]) -> String {
    let install = "python3 -m pip install -r requirements.txt";
    let fetch = match &base.revision {
        Some(revision) => format!("hf download {} --revision {revision}", base.name),
        None => format!("hf download {}", base.name),
    };
    let get = if base.is_on_hub() {
        format!(
            "The model comes from the Hub at the first start; without a network, first:\n\n    {fetch}\n"
        )
    } else {
        format!("The model is not downloaded: the settings name the folder {}.\n", base.name)
    };
    let start = match engine {
        Engine::HfJobs => {
            "    hf jobs uv run job.py --dry-run    # says what it would do\n    hf jobs uv run job.py\n\n\
             The results are in a bucket; the tool prints the command that brings them into out."
                .to_owned()
        }
        _ if layout.machines > 1 => {
            "    MACHINE_RANK=0 MAIN_ADDRESS=first-machine sh run.sh    # on each machine, with its own rank\n    \
             sbatch slurm.sbatch                                    # where there is SLURM"
                .to_owned()
        }
        _ => "    sh run.sh\n    sbatch slurm.sbatch    # where there is SLURM".to_owned(),
    };
    let notes: Vec<String> = notes.iter().map(|note| format!("- {note}.\n")).collect();
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!("\n## Good to know\n\n{}", notes.concat())
    };
    format!(
        "# A run for {}\n\n\
         Made by Tuning Fork. `manifest.json` says what it is made of.\n\n\
         ## Start it\n\n    {install}\n{start}\n\n{get}\n\
         ## Import its results\n\n    tuning-fork import-run .\n\n\
         in this folder, with `out` in it.\n{notes}",
        engine.name()
    )
}
