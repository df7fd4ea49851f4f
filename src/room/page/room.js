"use strict";
// The page of a phone: it shows the question in front and sends one answer to it. Whatever comes from
// the network is shown as text, never as markup.

const WORDS = {
  en: {
    language: "Language",
    code: "Code of the room",
    enter: "Join",
    joining: "Joining the room…",
    wrong: "This code is not right. The code is on the screen in front.",
    waiting: "Wait for the next question.",
    choose: "Choose, then send. You have one vote.",
    write: "Write, then send. You have one vote.",
    send: "Send",
    sending: "Sending your answer…",
    counted: "Your answer was counted. Thank you!",
    closed: "The vote is closed.",
    late: "The vote was closed before your answer arrived. It was not counted.",
    revealed: "The result is on the screen in front.",
    lost: "No connection to the room. Trying again…",
    full: "The room is full.",
    left: "Answer 1",
    right: "Answer 2",
    tie: "Both are equally good",
    unknown: "I don't know",
    other: "Another word",
    characters: "characters left",
    problem: "The room did not understand this answer. Load the page again.",
    privacy: "No account, no name, no address of your device is kept. Your answers are anonymous.",
  },
  de: {
    language: "Sprache",
    code: "Code des Raums",
    enter: "Beitreten",
    joining: "Verbindung zum Raum…",
    wrong: "Dieser Code stimmt nicht. Der Code steht vorne auf der Leinwand.",
    waiting: "Warten Sie auf die nächste Frage.",
    choose: "Wählen Sie aus, dann senden Sie. Sie haben eine Stimme.",
    write: "Schreiben Sie, dann senden Sie. Sie haben eine Stimme.",
    send: "Senden",
    sending: "Ihre Antwort wird gesendet…",
    counted: "Ihre Antwort wurde gezählt. Danke!",
    closed: "Die Abstimmung ist beendet.",
    late: "Die Abstimmung war beendet, bevor Ihre Antwort ankam. Sie wurde nicht gezählt.",
    revealed: "Das Ergebnis steht vorne auf der Leinwand.",
    lost: "Keine Verbindung zum Raum. Neuer Versuch…",
    full: "Der Raum ist voll.",
    left: "Antwort 1",
    right: "Antwort 2",
    tie: "Beide sind gleich gut",
    unknown: "Ich weiß es nicht",
    other: "Ein anderes Wort",
    characters: "Zeichen übrig",
    problem: "Der Raum hat diese Antwort nicht verstanden. Laden Sie die Seite neu.",
    privacy: "Kein Konto, kein Name, keine Adresse Ihres Geräts wird gespeichert. Ihre Antworten sind anonym.",
  },
  fr: {
    language: "Langue",
    code: "Code de la salle",
    enter: "Entrer",
    joining: "Connexion à la salle…",
    wrong: "Ce code n’est pas le bon. Le code est affiché sur l’écran.",
    waiting: "Attendez la prochaine question.",
    choose: "Choisissez, puis envoyez. Vous avez une voix.",
    write: "Écrivez, puis envoyez. Vous avez une voix.",
    send: "Envoyer",
    sending: "Envoi de votre réponse…",
    counted: "Votre réponse a été comptée. Merci !",
    closed: "Le vote est terminé.",
    late: "Le vote était terminé avant l’arrivée de votre réponse. Elle n’a pas été comptée.",
    revealed: "Le résultat est affiché sur l’écran.",
    lost: "Pas de connexion à la salle. Nouvelle tentative…",
    full: "La salle est pleine.",
    left: "Réponse 1",
    right: "Réponse 2",
    tie: "Les deux se valent",
    unknown: "Je ne sais pas",
    other: "Un autre mot",
    characters: "caractères restants",
    problem: "La salle n’a pas compris cette réponse. Rechargez la page.",
    privacy: "Ni compte, ni nom, ni adresse de votre appareil ne sont conservés. Vos réponses sont anonymes.",
  },
  es: {
    language: "Idioma",
    code: "Código de la sala",
    enter: "Entrar",
    joining: "Conectando con la sala…",
    wrong: "Este código no es correcto. El código está en la pantalla.",
    waiting: "Espere la próxima pregunta.",
    choose: "Elija y envíe. Tiene un voto.",
    write: "Escriba y envíe. Tiene un voto.",
    send: "Enviar",
    sending: "Enviando su respuesta…",
    counted: "Su respuesta se ha contado. ¡Gracias!",
    closed: "La votación ha terminado.",
    late: "La votación terminó antes de que llegara su respuesta. No se ha contado.",
    revealed: "El resultado está en la pantalla.",
    lost: "Sin conexión con la sala. Nuevo intento…",
    full: "La sala está llena.",
    left: "Respuesta 1",
    right: "Respuesta 2",
    tie: "Las dos son igual de buenas",
    unknown: "No lo sé",
    other: "Otra palabra",
    characters: "caracteres restantes",
    problem: "La sala no ha entendido esta respuesta. Vuelva a cargar la página.",
    privacy: "No se guarda ninguna cuenta, ningún nombre ni la dirección de su dispositivo. Sus respuestas son anónimas.",
  },
};
const MOST_CHARACTERS = 140;

const by = (id) => document.getElementById(id);

// Where a browser keeps nothing (a private window), memory does.
const memory = {};
function keep(key, value) {
  memory[key] = value;
  try { localStorage.setItem(key, value); } catch { /* memory has it */ }
}
function kept(key) {
  if (key in memory) return memory[key];
  try { return localStorage.getItem(key); } catch { return null; }
}
function drop(key) {
  delete memory[key];
  try { localStorage.removeItem(key); } catch { /* it was not there */ }
}

let language = kept("room-language") || (navigator.language || "en").slice(0, 2);
if (!(language in WORDS)) language = "en";
const word = (key) => WORDS[language][key];

let code = "";
let device = "";
let view = null;      // what the room last said
let chosen = null;    // the answer that is picked and not sent
let sending = null;   // the answer that is under way
let late = null;      // the question that was closed before an answer arrived
let said = ["joining", false];
let asking = null;    // stops the request that waits for the next question

// A number of this phone for this room alone: two rooms cannot be joined by it.
function numberFor(code) {
  const key = "room-device-" + code;
  let number = kept(key);
  if (!/^[0-9a-f]{32}$/.test(number || "")) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    number = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    keep(key, number);
  }
  return number;
}
const pendingKey = () => "room-pending-" + code;

function say(key, warns = false) {
  said = [key, warns];
  by("state").textContent = word(key);
  by("state").className = warns ? "warn" : "";
}

function showWords() {
  document.documentElement.lang = language;
  by("language").value = language;
  by("language-name").textContent = word("language");
  by("code-label").textContent = word("code");
  by("enter").textContent = word("enter");
  by("send").textContent = word("send");
  by("privacy").textContent = word("privacy");
  say(...said);
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function same(one, other) {
  return one !== null && other !== null && JSON.stringify(one) === JSON.stringify(other);
}

function pick(answer) {
  chosen = answer;
  showChosen();
}

function showChosen() {
  const question = view && view.question;
  const mine = question && question.yours;
  const done = !question || question.state !== "open" || mine || sending;
  const shown = mine || (sending && sending.answer) || chosen;
  for (const button of by("answers").querySelectorAll("button")) {
    button.disabled = Boolean(done);
    button.setAttribute("aria-pressed", String(same(button.answer, shown)));
  }
  for (const field of by("answers").querySelectorAll("textarea, input")) {
    field.disabled = Boolean(done);
    field.parentElement.hidden = Boolean(done) && !field.value;
    field.nextElementSibling.hidden = Boolean(done); // nothing more can be written
  }
  by("send").hidden = Boolean(done);
  by("send").disabled = chosen === null;
}

function option(answer, text, name) {
  const button = element("button");
  button.type = "button";
  button.answer = answer;
  if (name) {
    button.className = "named";
    button.append(element("span", name, "name"));
  }
  button.append(element("span", text));
  button.addEventListener("click", () => pick(answer));
  return button;
}

function field(tag, make, label) {
  const input = element(tag);
  const count = element("p", "", "count");
  input.maxLength = MOST_CHARACTERS;
  input.setAttribute("aria-label", label);
  if (tag === "input") input.placeholder = label;
  input.addEventListener("input", () => {
    const left = MOST_CHARACTERS - Array.from(input.value).length;
    count.textContent = left + " " + word("characters");
    pick(input.value.trim() ? make(input.value) : null);
  });
  const box = element("div");
  box.append(input, count);
  return box;
}

let shownKey = "";
function show() {
  const question = view && view.question;
  by("title").textContent = (view && view.title) || "Tuning Fork";
  by("door").hidden = true;
  by("question").hidden = !question;
  if (!question) {
    shownKey = "";
    say("waiting");
    return;
  }
  const key = question.id + language;
  if (key !== shownKey) {
    shownKey = key;
    chosen = null;
    by("text").textContent = question.text;
    by("about").textContent = question.about || "";
    by("about").hidden = !question.about;
    const answers = by("answers");
    answers.replaceChildren();
    answers.className = question.kind === "scale" ? "steps" : "";
    if (question.kind === "pair") {
      answers.append(
        option({ side: "left" }, question.left, word("left")),
        option({ side: "right" }, question.right, word("right")),
        option({ side: "tie" }, word("tie")),
      );
    } else if (question.kind === "choice") {
      // A study's way to say nothing has no language of its own.
      question.options.forEach((text, at) =>
        answers.append(option({ option: at }, text === "?" ? word("unknown") : text)));
      if (question.other) {
        answers.append(field("input", (text) => ({ other: text }), word("other")));
      }
    } else if (question.kind === "scale") {
      for (let step = question.low; step <= question.high; step += 1) {
        answers.append(option({ step }, String(step)));
      }
      const ends = element("div", undefined, "ends");
      ends.append(element("span", question.low_words), element("span", question.high_words));
      answers.append(ends);
    } else {
      answers.append(field("textarea", (text) => ({ words: text }), question.text));
    }
  }
  if (question.yours) say(question.state === "revealed" ? "revealed" : "counted");
  else if (late === question.id) say("late", true);
  else if (sending) say("sending");
  else if (question.state === "revealed") say("revealed");
  else if (question.state === "closed") say("closed");
  else say(question.kind === "words" ? "write" : "choose");
  showChosen();
}

function ask(path, options = {}) {
  const headers = { "X-Room-Code": code, "X-Room-Device": device, ...options.headers };
  return fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
}

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
// Two hundred phones do not come back at the same moment.
const soon = (tries) => pause(Math.min(8, 0.5 * 2 ** tries) * (0.5 + Math.random()));

function door(key, warns) {
  by("door").hidden = false;
  by("question").hidden = true;
  by("code").value = "";
  say(key, warns);
  by("code").focus();
}

let turn = 0;
async function follow() {
  const mine = ++turn;
  let tries = 0;
  while (mine === turn) {
    asking = new AbortController();
    try {
      const seen = view ? "?seen=" + view.version : "";
      const response = await ask("/api/question" + seen, { signal: asking.signal });
      const told = await response.json();
      if (mine !== turn) return;
      if (response.ok) {
        tries = 0;
        const isNews = !view || view.version !== told.version;
        view = told;
        if (isNews || said[0] === "lost") show();
        resend();
        continue;
      }
      if (told.problem === "code" && response.status === 403) {
        code = "";
        history.replaceState(null, "", "/");
        door("wrong", true);
        return;
      }
      if (told.problem === "full") say("full", true);
      else say("lost", true);
    } catch (problem) {
      if (mine !== turn) return;
      if (problem.name !== "AbortError") say("lost", true);
    }
    await soon(tries);
    tries += 1;
  }
}

// Sends an answer until the room has said what became of it. It is kept meanwhile, so that a page
// that is loaded again sends it too; the room counts it once however often it comes.
async function send(question, answer) {
  if (sending) return;
  sending = { question, answer };
  keep(pendingKey(), JSON.stringify(sending));
  show();
  for (let tries = 0; ; tries += 1) {
    try {
      const response = await ask("/api/vote", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ question, answer }),
      });
      const told = await response.json();
      const isOver = response.ok || ["closed", "question", "malformed"].includes(told.problem);
      if (isOver) {
        sending = null;
        drop(pendingKey());
        const front = view && view.question;
        if (front && front.id === question) {
          if (response.ok && told.counted) front.yours = answer;
          if (told.problem === "closed") late = question;
        }
        if (told.already) { view = null; turn += 1; if (asking) asking.abort(); follow(); return; }
        show();
        if (told.problem === "malformed") say("problem", true);
        return;
      }
    } catch { /* once more */ }
    say("lost", true);
    await soon(tries);
  }
}

function resend() {
  const pending = kept(pendingKey());
  if (!pending || sending) return;
  try {
    const { question, answer } = JSON.parse(pending);
    send(question, answer);
  } catch { drop(pendingKey()); }
}

function join(typed) {
  code = typed.toUpperCase().replace(/[^A-Z0-9]/g, "").slice(0, 12);
  if (!code) { door("joining", false); return; }
  device = numberFor(code);
  view = null;
  history.replaceState(null, "", "/#" + code);
  by("door").hidden = true;
  say("joining");
  follow();
}

by("door").addEventListener("submit", (event) => {
  event.preventDefault();
  join(by("code").value);
});
by("send").addEventListener("click", () => {
  if (chosen !== null && view && view.question) send(view.question.id, chosen);
});
by("language").addEventListener("change", () => {
  language = by("language").value;
  keep("room-language", language);
  showWords();
  if (view) show();
});
// A phone that was in a pocket asks at once.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && code) { if (asking) asking.abort(); follow(); }
});
window.addEventListener("hashchange", () => join(location.hash.slice(1)));

showWords();
join(location.hash.slice(1));
