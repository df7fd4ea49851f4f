"""What answers are rewarded for: the rules of the run file as reward functions of TRL."""

import json
import re


def words_of(completion):
    """An answer's text. Of a dialogue, what its messages say."""
    if isinstance(completion, str):
        return completion
    return "".join(message.get("content") or "" for message in completion)


def length(rule):
    unit, target, per = rule.get("unit", "words"), rule.get("target"), rule.get("per", 100.0)

    def reward(completions, completion_ids=None, **columns):
        counts = []
        for index, completion in enumerate(completions):
            if unit == "tokens":
                counts.append(len(completion_ids[index]))
            elif unit == "characters":
                counts.append(len(words_of(completion)))
            else:
                counts.append(len(words_of(completion).split()))
        if target is None:
            return [count / per for count in counts]
        return [-abs(count - target) / per for count in counts]

    return reward


def regex(rule):
    pattern, whole = re.compile(rule["pattern"]), rule.get("whole", False)

    def reward(completions, **columns):
        texts = [words_of(completion) for completion in completions]
        found = [pattern.fullmatch(text.strip()) if whole else pattern.search(text) for text in texts]
        return [float(match is not None) for match in found]

    return reward


def exact_match(rule):
    column, ignore_case, contains = rule["column"], rule.get("ignore_case", False), rule.get("contains", False)

    def reward(completions, **columns):
        rewards = []
        for completion, right in zip(completions, columns[column]):
            if right is None:
                rewards.append(None)
                continue
            said, right = words_of(completion).strip(), str(right).strip()
            if ignore_case:
                said, right = said.lower(), right.lower()
            rewards.append(float(right != "" and right in said if contains else right == said))
        return rewards

    return reward


def is_json(rule):
    schema = rule.get("schema")
    validator = None
    if schema is not None:
        from jsonschema import Draft202012Validator

        validator = Draft202012Validator(json.loads(schema))

    def reward(completions, **columns):
        rewards = []
        for completion in completions:
            try:
                value = json.loads(words_of(completion).strip())
            except ValueError:
                rewards.append(0.0)
                continue
            rewards.append(float(validator is None or validator.is_valid(value)))
        return rewards

    return reward


KINDS = {"length": length, "regex": regex, "exact_match": exact_match, "json": is_json}


def functions(rules):
    """A function for each rule, called as its numbers are in our log."""
    made = []
    for rule in rules:
        function = KINDS[rule["rule"]](rule)
        function.__name__ = rule["title"]
        made.append(function)
    return made
