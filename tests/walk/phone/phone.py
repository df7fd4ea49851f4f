"""A real Chromium at the size of a phone joins a room of `tuning-fork room` and votes on every question.

phone.py TUNING-FORK CHROMIUM SCREENSHOTS: only Python's standard library. Chromium is spoken to over its
DevTools pipe: JSON with a zero byte behind each message, on descriptors 3 and 4. Fails with a sentence where
something is not as it should be; prints what was counted.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

WIDTH, HEIGHT = 390, 844  # of a common phone, in CSS pixels
HERE = pathlib.Path(__file__).parent
# A language a question: each of the four is seen with a question open and with its vote counted.
LANGUAGES = ["en", "de", "fr", "es"]
COUNTED = {
    "en": "Your answer was counted",
    "de": "Ihre Antwort wurde gezählt",
    "fr": "Votre réponse a été comptée",
    "es": "Su respuesta se ha contado",
}

REVEALED = {
    "en": "The result is on the screen in front",
    "de": "Das Ergebnis steht vorne auf der Leinwand",
    "fr": "Le résultat est affiché sur l’écran",
    "es": "El resultado está en la pantalla",
}


def next_of(room, event):
    """The next line of this kind that the room says."""
    while True:
        line = room.stdout.readline()
        if not line:
            raise SystemExit(f"the room ended before it said “{event}”")
        told = json.loads(line)
        if told["event"] == event:
            return told


class Browser:
    """One page of a Chromium."""

    def __init__(self, chromium, profile):
        to_read, to_write = os.pipe(), os.pipe()

        def descriptors():
            # Above all others first, so that none of them is overwritten.
            read, write = os.dup(to_read[0]), os.dup(to_write[1])
            high = [os.dup2(read, 50), os.dup2(write, 51)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                 "--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen([chromium, *flags], preexec_fn=descriptors, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read[0])
        os.close(to_write[1])
        self.to, self.come = os.fdopen(to_read[1], "wb", 0), os.fdopen(to_write[0], "rb", 0)
        self.rest, self.number, self.session = b"", 0, None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=2,
                 mobile=True)
        self.ask("Emulation.setTouchEmulationEnabled", enabled=True)
        self.ask("Page.enable")

    def ask(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.to.write(json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                piece = self.come.read(65536)
                if not piece:
                    raise SystemExit("Chromium ended by itself")
                self.rest += piece
            line, self.rest = self.rest.split(b"\0", 1)
            told = json.loads(line)
            if told.get("id") == self.number:
                if "error" in told:
                    raise SystemExit(f"{method}: {told['error']}")
                return told["result"]

    def run(self, script):
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, what, script, seconds=15):
        deadline = time.time() + seconds
        while not self.run(script):
            if time.time() > deadline:
                raise SystemExit(f"{what}: not after {seconds} s. The page says: {self.run('document.body.innerText')}")
            time.sleep(0.05)

    def tap(self, element):
        """A finger on the middle of what the script `element` finds."""
        self.run(f"({element}).scrollIntoView({{block: 'center'}})")
        x, y = self.run(f"(() => {{ const r = ({element}).getBoundingClientRect();"
                        " return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        points = [{"x": x, "y": y}]
        self.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=points)
        self.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def shot(self, path):
        self.run("window.scrollTo(0, 0)")
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=False)["data"]
        path.write_bytes(base64.b64decode(data))

    def end(self):
        self.process.terminate()
        self.process.wait(10)


def fits(page, what):
    """Nothing is wider than the phone, and what is pressed is large enough for a finger (44 px)."""
    wide = page.run("document.documentElement.scrollWidth")
    if wide > WIDTH:
        raise SystemExit(f"{what}: the page is {wide} px wide, and the phone {WIDTH}")
    small = page.run("Array.from(document.querySelectorAll('main button')).filter(b => b.offsetParent)"
                     ".map(b => b.getBoundingClientRect().height).filter(h => h < 44)")
    if small:
        raise SystemExit(f"{what}: buttons of {small} px are too low for a finger")


def answer(page, kind):
    """Picks an answer of the question in front, and sends it."""
    if kind == "pair":
        page.tap("Array.from(document.querySelectorAll('#answers button'))"
                 ".find(b => b.innerText.includes('Because some people'))")
    elif kind == "choice":
        page.tap("document.querySelectorAll('#answers button')[1]")
    elif kind == "scale":
        page.tap("document.querySelectorAll('#answers button')[5]")
    else:
        page.tap("document.querySelector('#answers textarea')")
        page.type("Größe <b>")
    page.wait("the answer is picked", "!document.getElementById('send').disabled")


def main():
    binary, chromium, shots = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    shots.mkdir(parents=True, exist_ok=True)
    # The browser may still write its last files while they are removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        scratch = pathlib.Path(scratch)
        votes = scratch / "votes"
        command = [binary, "room", str(HERE / "questions.toml"), "--address", "127.0.0.1", "--json", "--out",
                   str(votes)]
        room = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        page = None
        try:
            opened = json.loads(room.stdout.readline())
            page = Browser(chromium, scratch / "profile")
            # By hand first, with a wrong code, as somebody does who misreads the slide.
            page.ask("Page.navigate", url=opened["link"].split("#")[0])
            page.wait("the door", "document.getElementById('door') && !document.getElementById('door').hidden")
            page.tap("document.getElementById('code')")
            page.type("WRONG1")
            page.tap("document.getElementById('enter')")
            page.wait("the wrong code is refused", "document.getElementById('state').className === 'warn'")
            page.shot(shots / "phone-wrong-code.png")
            page.run(f"document.getElementById('code').value = ''")
            page.tap("document.getElementById('code')")
            page.type(opened["code"].lower())
            page.tap("document.getElementById('enter')")
            results = []
            for number, language in enumerate(LANGUAGES):
                told = next_of(room, "question")
                page.wait("the question", f"document.getElementById('text').textContent === {json.dumps(told['text'])}")
                # Chromium's own list of a <select> is no part of the page: chosen as its keys would.
                page.run(f"(() => {{ const l = document.getElementById('language'); l.value = '{language}';"
                         " l.dispatchEvent(new Event('change')); })()")
                kind = ["pair", "choice", "scale", "words"][number]
                fits(page, f"{kind}, {language}")
                answer(page, kind)
                page.shot(shots / f"phone-{kind}-{language}.png")
                page.tap("document.getElementById('send')")
                page.wait("the vote is counted",
                          f"document.getElementById('state').textContent.startsWith({json.dumps(COUNTED[language])})")
                page.shot(shots / f"phone-{kind}-{language}-counted.png")
                # Loaded again, it still knows, and does not vote a second time.
                page.ask("Page.reload")
                page.wait("the vote is still counted", "document.getElementById('state') && "
                          f"document.getElementById('state').textContent.startsWith({json.dumps(COUNTED[language])})")
                # Enter reveals, and once more goes on.
                room.stdin.write("\n")
                room.stdin.flush()
                results.append(next_of(room, "result"))
                if number + 1 == len(LANGUAGES):
                    break  # with the last one the room ends
                page.wait("the result is said to be in front",
                          f"document.getElementById('state').textContent.startsWith({json.dumps(REVEALED[language])})")
                room.stdin.write("\n")
                room.stdin.flush()
            room.stdin.close()
            room.stdout.read()
            if room.wait(20) != 0:
                raise SystemExit("the room did not end well")
        finally:
            if page:
                page.end()
            if room.poll() is None:
                room.kill()
        rows = [json.loads(line) for line in (scratch / "votes.jsonl").read_text().splitlines()]
        counts = [result["votes"] for result in results]
        if counts != [1, 1, 1, 1] or len(rows) != 4:
            raise SystemExit(f"one vote a question was sent, and {counts} were counted, {len(rows)} written")
        chosen = [next(bar["label"] for bar in result["bars"] if bar["votes"]) for result in results]
        expected = ["left", "How respondents were drawn", "6", "Größe <b>"]
        if chosen != expected:
            raise SystemExit(f"{expected} was voted for, and {chosen} was counted")
        print(f"a phone voted on {len(rows)} questions in {', '.join(LANGUAGES)}: {', '.join(chosen)}")


if __name__ == "__main__":
    main()
