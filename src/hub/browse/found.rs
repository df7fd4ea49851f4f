//! A row of a search: what the Hub says of a repository in a list. Everything in it may be absent
//! or of another type than expected; what is not understood is left out.

use serde::Deserialize;
use serde_json::Value;

use crate::hub::protocol::names::check_repo_id;
use crate::hub::protocol::repository::RepoKind;

/// Longer names, licences and the like are cut: they are shown in one line.
const LONGEST_TEXT: usize = 120;

/// Who may fetch it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    #[default]
    Open,

    /// After its conditions are accepted on its page.
    Automatic,

    /// After somebody there has looked at the request.
    Manual,
}

/// A row of the answers.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub kind: RepoKind,

    /// `owner/name`
    pub id: String,
    pub downloads: u64,
    pub likes: u64,

    /// `2026-11-02`
    pub updated: String,
    pub gate: Gate,
    pub is_private: bool,
    pub licence: Option<String>,

    /// `text-generation`
    pub task: Option<String>,

    /// transformers' `model_type`, or GGUF's `general.architecture`.
    pub architecture: Option<String>,
    pub parameters: Option<Parameters>,

    /// Bytes of its weights as they would be fetched, where the Hub says enough to know.
    pub weight_bytes: Option<u64>,
    pub has_safetensors: bool,
    pub has_gguf: bool,

    /// Python code of its own comes with it.
    pub has_code: bool,

    /// `gptq`, `awq`, …: by which method another library has packed its weights.
    pub packing: Option<String>,

    /// What it was quantised from: `owner/name`.
    pub base_model: Option<String>,
}

impl Found {
    /// A row of which only the name is known.
    pub fn named(kind: RepoKind, id: &str) -> Self {
        Self {
            kind,
            id: id.to_owned(),
            downloads: 0,
            likes: 0,
            updated: String::new(),
            gate: Gate::Open,
            is_private: false,
            licence: None,
            task: None,
            architecture: None,
            parameters: None,
            weight_bytes: None,
            has_safetensors: false,
            has_gguf: false,
            has_code: false,
            packing: None,
            base_model: None,
        }
    }

    /// `owner`, empty where there is none.
    pub fn author(&self) -> &str {
        self.id.split_once('/').map_or("", |(owner, _)| owner)
    }

    pub fn name(&self) -> &str {
        self.id.split_once('/').map_or(self.id.as_str(), |(_, name)| name)
    }
}

/// How many parameters, and how we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// Counted by the Hub in the files.
    Counted(u64),

    /// From the name: `7B`.
    Named(u64),
}

impl Parameters {
    pub fn count(self) -> u64 {
        match self {
            Self::Counted(count) | Self::Named(count) => count,
        }
    }
}

/// What is asked of each row, beside its name.
pub(crate) fn expand(kind: RepoKind) -> Vec<(&'static str, String)> {
    const BOTH: [&str; 6] = ["downloads", "gated", "lastModified", "likes", "private", "tags"];
    const MODEL: [&str; 5] = ["config", "gguf", "library_name", "pipeline_tag", "safetensors"];
    let models: &[&str] = if kind == RepoKind::Model { &MODEL } else { &[] };
    BOTH.iter().chain(models).map(|name| ("expand", (*name).to_owned())).collect()
}

/// A row as the Hub writes it. Everything may be absent or of another type than expected.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    id: Value,
    downloads: Value,
    likes: Value,
    #[serde(rename = "lastModified")]
    last_modified: Value,
    gated: Value,
    private: Value,
    pipeline_tag: Value,
    tags: Value,
    config: Value,
    gguf: Value,
    safetensors: Value,
}

/// `None`: a row without an id that could be asked for.
pub(crate) fn found(row: Value, kind: RepoKind) -> Option<Found> {
    let row: Row = serde_json::from_value(row).ok()?; // not an object
    let id = row.id.as_str().filter(|id| check_repo_id(id).is_ok())?.to_owned();
    let empty = Vec::new();
    let tags: Vec<&str> =
        row.tags.as_array().unwrap_or(&empty).iter().filter_map(Value::as_str).collect();
    let has_tag = |wanted: &str| tags.contains(&wanted);
    let licence = tags.iter().find_map(|tag| tag.strip_prefix("license:"));
    let text = |value: &Value| value.as_str().map(short);
    let counted = positive(&row.safetensors["total"]).or_else(|| positive(&row.gguf["total"]));
    let packing = &row.config["quantization_config"];
    let packing = packing.is_object().then(|| {
        let method = packing["quant_method"].as_str();
        let in_tags = ["awq", "gptq", "fp8", "bitsandbytes"].into_iter().find(|tag| has_tag(tag));
        short(method.or(in_tags).unwrap_or("quantised"))
    });
    let named = parameters_in_name(&id);
    let base = tags.iter().find_map(|tag| tag.strip_prefix("base_model:quantized:"));
    Some(Found {
        kind,
        downloads: row.downloads.as_u64().unwrap_or(0),
        likes: row.likes.as_u64().unwrap_or(0),
        updated: row.last_modified.as_str().map(day).unwrap_or_default(),
        gate: match &row.gated {
            Value::String(kind) if kind == "manual" => Gate::Manual,
            Value::String(_) | Value::Bool(true) => Gate::Automatic,
            _ => Gate::Open,
        },
        is_private: row.private.as_bool().unwrap_or(false),
        licence: licence.map(short),
        task: text(&row.pipeline_tag),
        architecture: text(&row.config["model_type"]).or_else(|| text(&row.gguf["architecture"])),
        parameters: counted.map(Parameters::Counted).or_else(|| named.map(Parameters::Named)),
        weight_bytes: safetensors_bytes(&row.safetensors["parameters"]),
        has_safetensors: has_tag("safetensors") || row.safetensors.is_object(),
        has_gguf: has_tag("gguf") || row.gguf.is_object(),
        has_code: has_tag("custom_code") || row.config["auto_map"].is_object(),
        packing,
        base_model: base.filter(|base| check_repo_id(base).is_ok()).map(str::to_owned),
        id,
    })
}

fn positive(value: &Value) -> Option<u64> {
    value.as_u64().filter(|count| *count > 0)
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect()
}

/// `2026-11-02T10:00:00.000Z` is `2026-11-02`.
fn day(time: &str) -> String {
    let day: String = time.chars().take(10).collect();
    let is_date = day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_date { day } else { String::new() }
}

/// What the weights take: `{"BF16": 134515008}` is 269030016 bytes. `None`: a type is unknown.
fn safetensors_bytes(counts: &Value) -> Option<u64> {
    let counts = counts.as_object().filter(|counts| !counts.is_empty())?;
    counts.iter().try_fold(0_u64, |sum, (kind, count)| {
        let bits: u64 = match kind.as_str() {
            "F64" | "I64" | "U64" => 64,
            "F32" | "I32" | "U32" => 32,
            "F16" | "BF16" | "I16" | "U16" => 16,
            "I8" | "U8" | "BOOL" | "F8_E4M3" | "F8_E5M2" => 8,
            _ => return None,
        };
        sum.checked_add(count.as_u64()?.checked_mul(bits)? / 8)
    })
}

/// `SmolLM2-1.7B-Instruct` is 1,700,000,000; `mixtral-8x7b` says more than one number and nothing
/// is read from it.
fn parameters_in_name(id: &str) -> Option<u64> {
    let name = id.rsplit('/').next().unwrap_or(id);
    let mut parts = name.split(['-', '_', ' ']);
    parts.find_map(|part| {
        let lower = part.to_ascii_lowercase();
        let (number, unit) = match lower.as_bytes().last()? {
            b'b' => (lower.strip_suffix('b')?, 1e9),
            b'm' => (lower.strip_suffix('m')?, 1e6),
            _ => return None,
        };
        let looks_right = number.starts_with(|c: char| c.is_ascii_digit())
            && number.chars().all(|c| c.is_ascii_digit() || c == '.');
        let value: f64 = looks_right.then(|| number.parse().ok())??;
        (value > 0.0 && value < 10_000.0).then(|| (value * unit).round() as u64)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_what_the_hub_knows() {
        let row = json!({
            "id": "HuggingFaceTB/SmolLM2-135M-Instruct",
            "downloads": 1_000_000, "likes": 200, "gated": false, "private": false,
            "lastModified": "2025-09-22T20:43:13.000Z", "pipeline_tag": "text-generation",
            "tags": ["transformers", "safetensors", "llama", "license:apache-2.0"],
            "config": {"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
            "safetensors": {"parameters": {"BF16": 134_515_008}, "total": 134_515_008},
        });
        let row = found(row, RepoKind::Model).unwrap();
        assert_eq!((row.author(), row.name()), ("HuggingFaceTB", "SmolLM2-135M-Instruct"));
        assert_eq!(row.parameters, Some(Parameters::Counted(134_515_008)));
        assert_eq!(row.weight_bytes, Some(269_030_016));
        assert_eq!(row.updated, "2025-09-22");
        assert_eq!(row.licence.as_deref(), Some("apache-2.0"));
        assert_eq!(row.architecture.as_deref(), Some("llama"));
        assert!(row.has_safetensors && !row.has_gguf && !row.has_code);
        assert_eq!(row.gate, Gate::Open);
    }

    #[test]
    fn a_strange_row_is_left_out_or_says_less() {
        assert_eq!(found(json!({"id": "../../etc"}), RepoKind::Model), None);
        assert_eq!(found(json!({"downloads": 1}), RepoKind::Model), None);
        assert_eq!(found(json!("a row"), RepoKind::Model), None);
        let odd = json!({
            "id": "ada/x-7b", "downloads": "many", "likes": -3, "gated": "manual", "tags": {"a": 1},
            "lastModified": 7, "config": [], "safetensors": {"parameters": {"BF16": u64::MAX}},
        });
        let odd = found(odd, RepoKind::Model).unwrap();
        assert_eq!((odd.downloads, odd.likes, odd.updated.as_str()), (0, 0, ""));
        assert_eq!(odd.gate, Gate::Manual);
        assert_eq!(odd.parameters, Some(Parameters::Named(7_000_000_000)));
        assert_eq!(odd.weight_bytes, None, "more than can be counted");
    }

    #[test]
    fn a_name_tells_its_size_where_it_can() {
        let cases = [
            ("ada/SmolLM2-1.7B-Instruct", Some(1_700_000_000)),
            ("ada/gemma-3-270m-it", Some(270_000_000)),
            ("ada/Mixtral-8x7B", None),
            ("ada/bert-base", None),
            ("ada/v0.5b", None),
            ("ada/Qwen2.5-0.5B", Some(500_000_000)),
        ];
        for (id, expected) in cases {
            assert_eq!(parameters_in_name(id), expected, "{id}");
        }
    }
}
