"""Writes sample_data/texts/stories.txt: some 300 kB of short stories in simple words, to pretrain a small
model on. They are put together by this script from parts that we wrote, with a fixed seed; nobody told them.

    python3 tests/reference/make_stories.py
"""

import random
from pathlib import Path

SIZE = 300_000
OUT = Path(__file__).parents[2] / "sample_data" / "texts" / "stories.txt"

PEOPLE = [
    ("Anna", "she", "her", "girl"), ("Ben", "he", "his", "boy"), ("Clara", "she", "her", "girl"),
    ("David", "he", "his", "boy"), ("Eva", "she", "her", "girl"), ("Finn", "he", "his", "boy"),
    ("Greta", "she", "her", "girl"), ("Hugo", "he", "his", "boy"), ("Ida", "she", "her", "girl"),
    ("Jonas", "he", "his", "boy"), ("Lena", "she", "her", "girl"), ("Max", "he", "his", "boy"),
    ("Nora", "she", "her", "girl"), ("Oskar", "he", "his", "boy"), ("Rosa", "she", "her", "girl"),
    ("Tom", "he", "his", "boy"),
]
ELDERS = [("mother", "she", "her"), ("father", "he", "his"), ("grandmother", "she", "her"),
          ("grandfather", "he", "his"), ("aunt", "she", "her"), ("uncle", "he", "his"),
          ("teacher", "she", "her"), ("neighbour", "he", "his")]
ANIMALS = [("cat", "milk", "slept on the chair by the window"), ("dog", "a bone", "ran around the house"),
           ("bird", "some seeds", "sang in the old tree"), ("horse", "an apple", "stood in the long grass"),
           ("duck", "some bread", "swam on the pond"), ("goat", "a cabbage", "climbed on the wall"),
           ("rabbit", "a carrot", "sat very still under the hedge"), ("hen", "some corn", "walked in the yard"),
           ("sheep", "some hay", "lay in the shade"), ("mouse", "a bit of cheese", "hid behind the stove")]
PLACES = [("garden", "flowers"), ("forest", "tall trees"), ("market", "people"), ("river", "round stones"),
          ("beach", "white shells"), ("park", "children"), ("field", "yellow corn"), ("village", "small houses"),
          ("hill", "soft grass"), ("harbour", "boats"), ("school", "books"), ("station", "trains")]
THINGS = [("key", "small", "drawer"), ("book", "old", "shelf"), ("ball", "red", "basket"),
          ("lamp", "green", "table"), ("hat", "blue", "hook"), ("boat", "wooden", "box"),
          ("coin", "shiny", "purse"), ("letter", "long", "desk"), ("kite", "yellow", "cupboard"),
          ("scarf", "warm", "chair"), ("bell", "silver", "door"), ("map", "torn", "wall"),
          ("cup", "white", "kitchen"), ("drum", "round", "corner")]
FOODS = ["bread", "soup", "cake", "rice", "apples", "cheese", "pancakes", "beans", "plums", "noodles"]
WEATHER = [("The sun was shining", "warm"), ("It was raining", "wet"), ("The wind was strong", "cold"),
           ("Snow was falling", "white"), ("There was fog everywhere", "grey"), ("The sky was blue", "bright"),
           ("It was a hot day", "dry"), ("There were many clouds", "dark")]
TIMES = ["One morning", "One day", "One evening", "On Monday", "On Saturday", "Last summer", "In the winter",
         "After school", "Before breakfast", "Late in the afternoon", "Early in the spring", "On a quiet Sunday"]
FEELINGS = [("happy", "smiled"), ("sad", "cried a little"), ("tired", "sat down"), ("angry", "said nothing"),
            ("proud", "laughed"), ("afraid", "held the door"), ("curious", "looked again"),
            ("surprised", "stood still")]
WORK = [("carry water", "heavy", "the bucket"), ("bake bread", "slow", "the oven"),
        ("paint the fence", "long", "the brush"), ("clean the room", "dull", "the floor"),
        ("feed the animals", "early", "the gate"), ("repair the roof", "hard", "the ladder"),
        ("pick the plums", "sweet", "the basket"), ("sew a coat", "careful", "the needle")]
LESSONS = ["A small step is still a step", "It is better to ask twice than to be lost once",
           "What is shared tastes better", "Nobody can do everything alone",
           "A promise is worth more than a coin", "Slow hands make few mistakes",
           "You only find what you look for", "Rain does not ask who is wet",
           "A good question is half an answer", "Even the longest road begins at a door"]
ENDS = ["That was a good day.", "Then it was time to sleep.", "They talked about it for a long time.",
        "Nobody forgot it.", "And the next day they did it again.", "After that, everything was quiet.",
        "It was dark when they came home.", "The soup was still warm."]


class Teller:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, choices):
        return self.random.choice(choices)

    def two(self, choices):
        return self.random.sample(choices, 2)

    def maybe(self, text, share=0.5):
        return text if self.random.random() < share else ""

    def opening(self, name):
        weather, how = self.one(WEATHER)
        place, full = self.one(PLACES)
        return self.one([
            f"{self.one(TIMES)}, {name} went to the {place}. {weather}, and everything was {how}. ",
            f"{weather}. {name} walked to the {place}, where there were many {full}. ",
            f"{name} lived near a {place}. There were {full} everywhere. {self.one(TIMES)}, something happened. ",
            f"{self.one(TIMES)}, {name} woke up early. {weather}. ",
        ])

    def feeling(self, name, he):
        feeling, did = self.one(FEELINGS)
        return self.one([f"{name} was {feeling} and {did}. ", f"{he.capitalize()} felt {feeling}. ",
                         f'"I am {feeling}," said {name}. '])

    def lost(self):
        (name, he, his, kind), (other, he2, _, _) = self.two(PEOPLE)
        thing, how, home = self.one(THINGS)
        first, second, third = self.random.sample(["under the bed", "behind the door", "in the garden",
                                                    "on the stairs", "in the kitchen", "beside the well"], 3)
        text = self.opening(name)
        text += f"{name} could not find {his} {how} {thing}. {he.capitalize()} looked {first}, but it was not there. "
        text += f"{he.capitalize()} looked {second}, and it was not there either. "
        text += self.maybe(self.feeling(name, he))
        text += f'"Have you seen my {thing}?" asked {name}. "No," said {other}, "but I will help you." '
        text += f"Together they looked {third}. There was the {thing}! "
        text += f'"Thank you," said {name}. From then on the {thing} was always kept in the same place, near the {home}. '
        return text

    def animal(self):
        name, he, his, kind = self.one(PEOPLE)
        (animal, food, habit), (second, food2, habit2) = self.two(ANIMALS)
        text = self.opening(name)
        text += f"There {he} saw a little {animal}. The {animal} was hungry. {name} gave the {animal} {food}. "
        text += f"The {animal} ate it and followed {name} home. "
        text += f'"May it stay?" asked {name}. "It may," said {his} {self.one(ELDERS)[0]}, "if you take care of it." '
        text += f"So the {animal} stayed. Every day it {habit}. "
        text += self.maybe(f"The {second} was not pleased at first. But soon the {animal} and the {second} were friends. ")
        text += self.maybe(f"In the evening {name} gave {food2} to the {second}. ")
        return text

    def cooking(self):
        name, he, his, _ = self.one(PEOPLE)
        elder, she, her = self.one(ELDERS)
        food, other = self.two(FOODS)
        guests = self.one(["two", "three", "four", "five", "six", "seven"])
        text = self.opening(name)
        text += f'"What shall we eat today?" asked {his} {elder}. "I would like {food}," said {name}. '
        text += f'But there was no {food} in the house. There was only {other}. '
        text += f'"Then we make {other}," said {his} {elder}. {name} washed {his} hands and helped. '
        text += f"They waited until the pot was hot. Then {guests} friends came, and everybody had enough {other}. "
        text += self.maybe(f'"It is the best {other} that I ever had," said {name}. ')
        return text

    def work(self):
        (name, he, his, _), (other, he2, his2, _) = self.two(PEOPLE)
        task, how, tool = self.one(WORK)
        elder, she, _ = self.one(ELDERS)
        text = self.opening(name)
        text += f'The {elder} said, "Can you {task}?" "Yes," said {name}. But the work was {how}. '
        text += f"After a while {name} put {tool} aside and sat down. {other} came by. "
        text += f'"Why do you not go on?" asked {other}. "Because I am alone," said {name}. '
        text += f"So {other} helped, and {he2} began to sing. Before the sun went down, everything was done. "
        text += f'"{self.one(LESSONS)}," said the {elder}. '
        return text

    def journey(self):
        name, he, his, kind = self.one(PEOPLE)
        (place, full), (second, full2) = self.two(PLACES)
        animal, food, _ = self.one(ANIMALS)
        days = self.one(["one day", "two days", "three days", "a whole week"])
        text = f"Once there was a {kind} whose name was {name}. {he.capitalize()} wanted to see the {place}. "
        text += f"{he.capitalize()} took some {self.one(FOODS)} and walked for {days}. "
        text += f"First {he} came to a {second}. There were {full2}, but it was not what {he} was looking for. "
        text += self.maybe(f"A {animal} stood in the way. {name} gave it {food}, and it let {name} pass. ")
        text += f'"Is it far to the {place}?" {he} asked an old woman. "Not if you keep going," she said. '
        text += f"At last {name} stood before the {place}, and there were more {full} than {he} could count. "
        text += f"{self.one(LESSONS)}, thought {name}, and went home. "
        return text

    def question(self):
        name, he, his, _ = self.one(PEOPLE)
        elder, she, _ = self.one(ELDERS)
        question, answer = self.one([
            ("Why is the night dark?", "Because the sun is on the other side."),
            ("Why does the river never stop?", "Because there is always rain somewhere."),
            ("Why do birds fly away in the winter?", "Because they know where it is warm."),
            ("Why does bread smell so good?", "Because somebody got up early for it."),
            ("Why do leaves fall?", "Because the tree wants to rest."),
            ("Why is the sea salty?", "Because the rivers bring it a little salt every day."),
            ("Why do we sleep?", "Because the day was long, and the next one comes soon."),
            ("Why does a clock tick?", "Because it counts, and does not want to forget."),
        ])
        text = self.opening(name)
        text += f'"{question}" asked {name}. {his.capitalize()} {elder} thought about it. "{answer}" '
        text += f'"And who told you?" asked {name}. "I asked, just as you do," said {his} {elder}. '
        text += self.maybe(self.feeling(name, he))
        return text

    def trade(self):
        (name, he, his, _), (other, he2, his2, _) = self.two(PEOPLE)
        (thing, how, _), (second, how2, _) = self.two(THINGS)
        text = self.opening(name)
        text += f"{name} had a {how} {thing}, and {other} had a {how2} {second}. "
        text += f'"I like your {second}," said {name}. "And I like your {thing}," said {other}. So they changed. '
        text += f"But in the evening {name} missed the {thing}, and {other} missed the {second}. "
        text += f"The next morning they met at the same place. {name} brought the {second}, and {other} brought the {thing}. "
        text += f"They changed again, and both were content. "
        return text

    def contest(self):
        (name, he, his, _), (other, he2, his2, _) = self.two(PEOPLE)
        place, full = self.one(PLACES)
        what, did = self.one([("run to the bridge", "ran"), ("climb the big tree", "climbed"),
                              ("swim to the island", "swam"), ("build the higher tower", "built"),
                              ("find the rounder stone", "searched"), ("tell the better story", "talked")])
        text = f"{name} and {other} were friends. {self.one(TIMES)} they met at the {place}. "
        text += f'"I can {what}," said {name}. "So can I," said {other}. They {did} until they were tired. '
        text += self.maybe(f"{other} was faster at first, but {name} did not give up. ")
        text += f'In the end nobody knew who had won. "We both did," said {name}. "{self.one(LESSONS)}." '
        text += f"Then they shared some {self.one(FOODS)} and looked at the {full}. "
        return text

    def letter(self):
        (name, he, his, _), (other, he2, his2, _) = self.two(PEOPLE)
        place, full = self.one(PLACES)
        weather, how = self.one(WEATHER)
        animal, _, habit = self.one(ANIMALS)
        text = f"Dear {other}, I am at the {place} now. {weather}, but I do not mind. "
        text += f"There are many {full} here. Yesterday I saw a {animal}. It {habit}. "
        text += f"Today we had {self.one(FOODS)}, and tomorrow we want to {self.one(WORK)[0]}. "
        text += self.maybe(f"I have lost my {self.one(THINGS)[0]}, so please look for it at home. ")
        text += f"Are you well? Please write soon. Your friend {name}. "
        return text

    def story(self):
        kinds = [self.lost, self.animal, self.cooking, self.work, self.journey, self.question, self.trade,
                 self.contest, self.letter]
        text = self.one(kinds)()
        return (text + self.maybe(self.one(ENDS), 0.6)).strip()


def main():
    teller = Teller(20261128)
    stories, size = [], 0
    seen = set()
    while size < SIZE:
        story = teller.story()
        if story in seen:
            continue
        seen.add(story)
        stories.append(story)
        size += len(story) + 2
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("\n\n".join(stories) + "\n", encoding="utf-8")
    print(f"{len(stories)} stories, {size} characters, {len(set(''.join(stories)))} different ones")


if __name__ == "__main__":
    main()
