# -*- coding: utf-8 -*-
"""What must not be seen in a post-mortem: by the names of values, by the shapes of texts, and by known secrets.

Used twice with this one table: inside the instance, and again by the emulator, which does not trust an instance.
"""

import re

HIDDEN = "<redacted>"
# A shorter value would be found in texts that have nothing to do with it.
SHORTEST_SECRET = 6

# How much a name says. NOTHING: shown. PERHAPS: a text that looks random is hidden. TEXT: texts are hidden, numbers
# are not (`max_tokens`, token ids). ALWAYS: hidden, whatever it is.
NOTHING, PERHAPS, TEXT, ALWAYS = range(4)

# Anywhere in a name, written in small letters without separators.
IN_ANY_NAME = (
    "password passwd passphrase secret credential apikey accesskey privatekey signingkey encryptionkey masterkey"
).split()
# Words of a name: `auth` in `auth_header` and `AuthHeader`, but not in `author`.
WORDS = frozenset(
    "key keys token tokens auth authorization authentication authenticate oauth cookie cookies jwt bearer signature"
    " pwd ak sk sid otp csrf xsrf".split()
)
ENDINGS = ("token", "cookie", "cookies", "pwd")
# Whole names that mostly name something else, such as an object in OSS or a row of a table.
MOSTLY_HARMLESS = frozenset(
    "key keys primarykey foreignkey objectkey sortkey partitionkey routingkey cachekey rowkey hashkey rangekey keyname"
    " publickey tokens".split()
)

_NAME = (
    r"(?:password|passwd|passphrase|secret|credential|api[_-]?key|access[_-]?key|private[_-]?key|token(?!s\b|iz)"
    r"|auth(?:orization)?(?=[\"'\s=:_\]]))[\w-]{0,40}"
)
# (what a text in small letters must contain, pattern, replacement): a pattern is compiled when it is first needed.
SHAPES = (
    (("://",), r"(://[^\s:/@\"']{0,200}:)[^\s@/\"']{1,400}(@)", r"\1" + HIDDEN + r"\2"),
    (
        ("token", "secret", "signature", "key", "password", "auth", "credential"),
        r"(?i)([?&;][\w.-]{0,40}(?:token|secret|signature|key|password|auth|credential)[\w-]{0,40}=)[^&;\s#\"'<]{1,2000}",
        r"\1" + HIDDEN,
    ),
    (("bearer ", "basic "), r"(?i)\b((?:bearer|basic)\s+)[\w.~+/-]{8,4000}=*", r"\1" + HIDDEN),
    (("cookie:",), r"(?i)(cookie:\s*)[^\r\n]{1,4000}", r"\1" + HIDDEN),
    (("eyj",), r"\beyJ[\w-]{6,4000}\.[\w-]{6,8000}(?:\.[\w-]{0,2000})?", HIDDEN),
    (("ltai",), r"\bLTAI[0-9A-Za-z]{12,40}", HIDDEN),
    (("sts.",), r"\bSTS\.[0-9A-Za-z]{10,80}", HIDDEN),
    (("akia", "asia"), r"\bA(?:KIA|SIA)[0-9A-Z]{12,20}\b", HIDDEN),
    (("gho_", "ghp_", "ghs_", "ghu_", "github_pat_"), r"\b(?:gh[opsu]|github_pat)_[0-9A-Za-z_]{20,100}", HIDDEN),
    (("sk-",), r"\bsk-[0-9A-Za-z_-]{16,200}", HIDDEN),
    (("xox",), r"\bxox[abeprs]-[0-9A-Za-z-]{10,200}", HIDDEN),
    (
        ("private key-----",),
        r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)[\s\S]{1,20000}?(-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)",
        r"\1" + HIDDEN + r"\2",
    ),
)
# `password = "…"` in a source file or in JSON: only what stands in quotes, since the rest is code.
QUOTED = (
    ("pass", "secret", "credential", "key", "token", "auth"),
    r"(?i)(%s\\{0,3}[\"']?\]?\s{0,20}(?::\s{0,20}\w{1,40}\s{0,20})?[=:]\s{0,20}[bru]{0,2})" % _NAME
    + r"(\\{0,3}[\"'])(?:(?!\2)[^\r\n]){1,4000}\2",
    r"\1\2" + HIDDEN + r"\2",
)
# `environ.get("DB_PASSWORD", "…")` in a source file.
DEFAULTS = (
    ("pass", "secret", "credential", "key", "token", "auth"),
    r"(?i)((?:get|getenv|setdefault)\(\s{0,20}[\"'][\w-]{0,60}%s[\"']\s{0,20},\s{0,20})([\"'])(?:(?!\2)[^\r\n]){1,4000}\2"
    % _NAME,
    r"\1\2" + HIDDEN + r"\2",
)
# `password=…` in a log.
ASSIGNED = (
    ("pass", "secret", "credential", "key", "token", "auth"),
    r"(?i)(%s=)(?![\"'])[^\s\"'&;,)}<]{1,4000}" % _NAME,
    r"\1" + HIDDEN,
)


class Redaction(object):
    """Hides secrets. `known` are values that are secret wherever they stand, such as those of the environment."""

    def __init__(self, known=()):
        self._known = sorted({text for text in known if len(text) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._levels = {}
        self._patterns = {}

    def level(self, name):
        """How much `name` says of its value."""
        found = self._levels.get(name)
        if found is None:
            found = self._levels[name] = _level(name)
        return found

    def hides_text(self, level, text):
        """Whether a text (or bytes) is hidden under a name of this level. An empty one tells that nothing is there."""
        if level == PERHAPS:
            return looks_random(text)
        return level > PERHAPS and len(text) > 0

    def text(self, text):
        """Any text, with what looks like a secret hidden."""
        return self._without(text, SHAPES + (QUOTED, DEFAULTS, ASSIGNED))

    def source(self, text):
        """Lines of a program: they keep their number."""
        return self._without(text, SHAPES + (QUOTED, DEFAULTS))

    def _without(self, text, shapes):
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        small = text.lower()
        for hints, pattern, replacement in shapes:
            for hint in hints:
                if hint in small:
                    text = self._pattern(pattern).sub(replacement, text)
                    break
        return text

    def _pattern(self, pattern):
        found = self._patterns.get(pattern)
        if found is None:
            found = self._patterns[pattern] = re.compile(pattern)
        return found


def _level(name):
    small = name.lower()
    squashed = small.replace("_", "").replace("-", "").replace(".", "")
    for part in IN_ANY_NAME:
        if part in squashed:
            return ALWAYS
    if squashed in MOSTLY_HARMLESS:
        return PERHAPS
    if squashed.endswith(ENDINGS):
        return TEXT
    for word in words(name):
        if word in WORDS:
            return TEXT
    return NOTHING


def words(name):
    """`XFcAuth_token2` -> x, fc, auth, token."""
    found, word, before = [], "", ""
    for char in name:
        if not char.isalpha():
            found.append(word)
            word = ""
        elif char.isupper() and before.islower():
            found.append(word)
            word = char.lower()
        else:
            word += char.lower()
        before = char
    found.append(word)
    return [word for word in found if word]


def looks_random(text):
    """Long, without a blank or a path in it, of letters and digits mixed: such as a generated key."""
    if not 16 <= len(text) <= 4096:
        return False
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    letters = digits = 0
    for char in text:
        if char.isalpha():
            letters += 1
        elif char.isdigit():
            digits += 1
        elif char not in "+=_-":
            return False
    return letters > 3 and digits > 1


def secrets_of(pairs):
    """Values of an environment, or of headers, whose names say that they are secret."""
    for name, value in pairs:
        level = _level(name)
        # Neither a number nor the path of a file is one, though `MAX_TOKENS` and `KEY_FILE` have one.
        if value.startswith(("/", "./")) or value.replace(".", "").isdigit():
            continue
        if level > PERHAPS or (level == PERHAPS and looks_random(value)):
            yield value
