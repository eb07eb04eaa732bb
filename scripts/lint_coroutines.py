#!/usr/bin/env python3
"""Finds C++ that GCC 12 miscompiles in coroutines, and coroutine habits that this project does not allow.

    scripts/lint_coroutines.py [FILE_OR_FOLDER...]     default: src include tests bench
    scripts/lint_coroutines.py --self-test             check the lint itself

Every pattern reported here was reproduced with GCC 12.2 at -O0 and -O2: double frees, wrong branches, crashes. No
warning and no clang-tidy check of that time knows them. CONTRIBUTING.md says what to write instead.

It reads tokens, not C++: comments, literals and preprocessor lines go, what is left is cut into statements. The body
of a lambda is its own list of statements. "Awaiting" is a statement with a co_await or co_yield of its own.

A finding that is wrong is silenced on its line or the one above: // lint_coroutines: allow RULE, because ...
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_FOLDERS = ["src", "include", "tests", "bench"]
SUFFIXES = {".cpp", ".hpp", ".h", ".cc", ".ipp"}

RULES = {
    "brace": "braced initialiser in an awaiting statement (GCC 12 destroys the temporary twice): "
    "name it first, or call a constructor with parentheses",
    "conditional": "?: in an awaiting statement (GCC 12 destroys the operand twice): "
    "use if/else and a declared variable",
    "condition": "co_await in the condition of {what} (GCC 12 takes the wrong branch): bind the result first",
    "lambda": "lambda that owns captures in an awaiting statement (GCC 12 destroys the captures twice): "
    "name the lambda and std::move it, or capture by reference",
    "co_return": "co_return with a braced list (rejected by awaitable): name the object",
    "detached": "detached coroutine: nobody waits for it or sees its error; spawn it in a parallel group or own it",
    "logical": "built-in && or || of two co_await: bind both results first",
    "macro": "co_await inside {what} (the macro hides an if): bind the result first",
}

ALLOW = re.compile(r"lint_coroutines:\s*allow\s+(\w+)")


# Reading -------------------------------------------------------------------------------------------------------------


@dataclass
class Token:
    text: str
    line: int


SKIPPED = re.compile(
    r"""
      //(?:[^\n\\]|\\.|\\\n)*                                           # comment to the end of the line
    | /\*.*?\*/                                                         # comment
    | (?:u8|[uUL])?R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)"  # raw string
    | (?:u8|[uUL])?"(?:[^"\\\n]|\\.)*"                                  # string
    | (?<![0-9a-fA-F])(?:u8|[uUL])?'(?:[^'\\\n]|\\.)+'                  # character; not a digit separator
    """,
    re.VERBOSE | re.DOTALL,
)
DIRECTIVE = re.compile(r"^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE | re.DOTALL)
TOKEN = re.compile(
    r"[A-Za-z_]\w*|\.?\d(?:[\w.]|'\w|[eEpP][+-])*|::|->|&&|\|\||<<=|>>=|<=>|[-+*/%&|^<>=!]=|\+\+|--|<<|\.\.\.|\S"
)


def blank(match: re.Match[str]) -> str:
    """Keeps the line count; a literal stays visible as an operand."""
    text = match.group(0)
    newlines = "\n" * text.count("\n")
    return (" " if text.startswith("/") else " 0 ") + newlines


def read_tokens(source: str) -> list[Token]:
    text = SKIPPED.sub(blank, source)
    text = DIRECTIVE.sub(lambda match: "\n" * match.group(0).count("\n"), text)
    tokens = []
    for number, line in enumerate(text.split("\n"), 1):
        tokens.extend(Token(match.group(0), number) for match in TOKEN.finditer(line))
    return tokens


# Cutting into statements ---------------------------------------------------------------------------------------------


@dataclass
class Statement:
    """Tokens without the bodies of lambdas; `init_braces` are the positions of braces that begin an initialiser."""

    tokens: list[Token] = field(default_factory=list)
    init_braces: list[int] = field(default_factory=list)
    owning_lambdas: list[int] = field(default_factory=list)

    def texts(self) -> list[str]:
        return [token.text for token in self.tokens]


OPENING = {"(": ")", "[": "]", "{": "}"}
CLOSING = set(OPENING.values())
BLOCK_BEFORE_BRACE = {"else", "do", "try", "const", "noexcept", "override", "final", "mutable", "volatile", "&&", "&"}
TYPE_HEADS = {"namespace", "class", "struct", "union", "enum", "extern", "concept"}
HEADS = {"if", "while", "for", "switch", "catch"}
OPERAND_END = re.compile(r"[\w\])]")


class Cutter:
    def __init__(self, tokens: list[Token]):
        self.tokens = tokens
        self.statements: list[Statement] = []
        self.at = 0

    def run(self) -> list[Statement]:
        while self.at < len(self.tokens):
            self.block()
            self.at += 1  # an unmatched brace: go on behind it
        return self.statements

    def peek(self, offset: int = 0) -> str:
        index = self.at + offset
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    def block(self) -> None:
        """Statements up to the closing brace of this block, which stays unread."""
        while self.at < len(self.tokens) and self.peek() != "}":
            self.statement()

    def nested_block(self) -> None:
        self.at += 1
        self.block()
        self.at += 1

    def statement(self) -> None:
        self.skip_label()
        if self.peek() == "{":
            self.nested_block()
            return
        statement = Statement()
        if self.peek() in HEADS:
            self.head(statement)
        else:
            self.simple(statement)
        if statement.tokens:
            self.statements.append(statement)

    def skip_label(self) -> None:
        if self.peek() in {"else", "do", "try"}:
            self.at += 1
        elif self.peek() == "case":
            while self.at < len(self.tokens) and self.peek() not in {":", ";", "{"}:
                self.at += 1
            self.at += 1
        elif re.fullmatch(r"[A-Za-z_]\w*", self.peek() or "") and self.peek(1) == ":":
            self.at += 2

    def take(self, statement: Statement) -> None:
        statement.tokens.append(self.tokens[self.at])
        self.at += 1

    def head(self, statement: Statement) -> None:
        """`if (...)` and its kin: a statement of its own. What follows is the next statement."""
        while self.at < len(self.tokens) and self.peek() not in {"(", "{", ";"}:
            self.take(statement)
        if self.peek() == "(":
            self.group(statement)

    def group(self, statement: Statement) -> None:
        """A bracketed group with everything inside it."""
        closing = OPENING[self.peek()]
        self.take(statement)
        while self.at < len(self.tokens) and self.peek() != closing:
            if self.peek() in CLOSING:
                return
            self.element(statement)
        if self.at < len(self.tokens):
            self.take(statement)

    def element(self, statement: Statement) -> None:
        """One token, or one group, or one lambda."""
        if self.peek() == "[" and self.is_lambda():
            self.lambda_expression(statement)
        elif self.peek() == "{":
            statement.init_braces.append(len(statement.tokens))
            self.group(statement)
        elif self.peek() in OPENING:
            self.group(statement)
        else:
            self.take(statement)

    def is_lambda(self) -> bool:
        if self.peek(1) == "[" or self.peek(-1) == "[":
            return False
        before = self.peek(-1)
        if before in {"return", "co_return", "co_await", "co_yield", "case", "else", "do"}:
            return True
        return not before or not OPERAND_END.search(before[-1])

    def lambda_expression(self, statement: Statement) -> None:
        begin = len(statement.tokens)
        self.group(statement)
        captures = [token.text for token in statement.tokens[begin + 1 : -1]]
        if owns_captures(captures):
            statement.owning_lambdas.append(begin)
        while self.at < len(self.tokens) and self.peek() not in {"{", ";", ")", "}"}:
            if self.peek() in {"(", "["}:
                self.group(statement)
            else:
                self.take(statement)
        if self.peek() == "{":
            self.nested_block()

    def simple(self, statement: Statement) -> None:
        """An expression, a declaration, or the head of a function, class or namespace up to its body."""
        while self.at < len(self.tokens):
            text = self.peek()
            if text == ";":
                self.at += 1
                return
            if text in CLOSING:
                if text != "}":
                    self.at += 1
                    continue
                return
            if text == "{" and self.opens_block(statement):
                self.nested_block()
                return
            self.element(statement)

    def opens_block(self, statement: Statement) -> bool:
        texts = top_level(statement.texts())
        if not texts or "=" in texts or texts[0] in {"return", "co_return", "co_await", "co_yield", "throw"}:
            return not texts
        last = texts[-1]
        if last == ")" or last in BLOCK_BEFORE_BRACE:
            return True
        if last == "}":  # constructor: first(1), second{2} {
            return True
        if "(" in texts and "->" in texts[texts.index("(") :]:  # auto f() -> type {
            return True
        if ":" in texts and "(" in texts:  # member initialiser list, the brace belongs to a member
            return False
        if any(text in TYPE_HEADS for text in texts) and "(" not in texts:
            return True
        return "requires" in texts


def top_level(texts: list[str]) -> list[str]:
    """The texts outside of all groups, the groups' brackets kept."""
    result, depth = [], 0
    for text in texts:
        if text in CLOSING:
            depth -= 1
        if depth == 0:
            result.append(text)
        if text in OPENING:
            depth += 1
    return result


def owns_captures(captures: list[str]) -> bool:
    """Whether a capture list holds anything but references and this."""
    depth, first, owning = 0, True, False
    for index, text in enumerate(captures):
        if depth == 0 and first:
            reference = text == "&" or (text == "this")
            owning = owning or not reference
        first = depth == 0 and text == ","
        depth += (text in OPENING) - (text in CLOSING)
    return owning


# Rules ---------------------------------------------------------------------------------------------------------------


@dataclass
class Finding:
    line: int
    rule: str
    what: str = ""

    def message(self) -> str:
        return RULES[self.rule].format(what=self.what)


AWAITING = {"co_await", "co_yield"}


def find_in(statement: Statement) -> list[Finding]:
    tokens, texts = statement.tokens, statement.texts()
    findings = []

    def report(index: int, rule: str, what: str = "") -> None:
        findings.append(Finding(tokens[index].line, rule, what))

    for index, text in enumerate(texts):
        if text == "detached":
            report(index, "detached")
        if text == "co_return" and texts[index + 1 : index + 2] == ["{"]:
            report(index, "co_return")
    if not AWAITING & set(texts):
        return findings

    if texts[0] in {"if", "while", "switch", "for"}:
        what = condition_awaits(texts)
        if what:
            report(0, "condition", what)
    for index in statement.init_braces:
        if texts[index - 1 : index] != ["co_return"]:
            report(index, "brace")
    for index in statement.owning_lambdas:
        report(index, "lambda")
    for index, text in enumerate(texts):
        if text == "?":
            report(index, "conditional")
        elif text in {"&&", "||", "and", "or"} and joins_two_awaits(texts, index):
            report(index, "logical")
        elif re.fullmatch(r"(EXPECT|ASSERT)_(?!(ANY_|NO_)?THROW)\w+", text) and AWAITING & set(group_at(texts, index + 1)):
            report(index, "macro", text)
    return findings


def group_at(texts: list[str], begin: int) -> list[str]:
    """The inside of the group that opens at `begin`."""
    depth = 0
    for index in range(begin, len(texts)):
        depth += (texts[index] in OPENING) - (texts[index] in CLOSING)
        if depth == 0:
            return texts[begin + 1 : index]
    return texts[begin + 1 :]


def split_top(texts: list[str], separators: set[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    depth = 0
    for text in texts:
        depth += (text in OPENING) - (text in CLOSING)
        if depth == 0 and text in separators:
            parts.append([])
        else:
            parts[-1].append(text)
    return parts


def condition_awaits(texts: list[str]) -> str:
    """The keyword whose condition tests a co_await directly, or nothing."""
    if "(" not in texts:
        return ""
    parts = split_top(group_at(texts, texts.index("(")), {";"})
    if texts[0] == "for":
        condition = parts[1] if len(parts) == 3 else []
        return "for" if AWAITING & set(condition) else ""
    condition = parts[-1]
    if not AWAITING & set(condition) or is_declaration(condition):
        return ""
    return texts[0]


def is_declaration(texts: list[str]) -> bool:
    """Whether this is `type name = ...`: two names or more in a row, with nothing but type syntax among them."""
    if "=" not in texts:
        return False
    left = texts[: texts.index("=")]
    if AWAITING & set(left) or len(left) < 2 or not re.fullmatch(r"[A-Za-z_]\w*|\]", left[-1]):
        return False
    return all(re.fullmatch(r"\w+|::|[<>,&*\[\]]|&&|>>", text) for text in left)


def joins_two_awaits(texts: list[str], operator: int) -> bool:
    def side(indices: range) -> bool:
        depth = 0
        for index in indices:
            text = texts[index]
            opens, closes = (OPENING, CLOSING) if indices.step > 0 else (CLOSING, OPENING)
            if text in closes:
                depth -= 1
                if depth < 0:
                    return False
            elif text in opens:
                depth += 1
            elif depth == 0 and text in {",", ";", "="}:
                return False
            if text in AWAITING:
                return True
        return False

    return side(range(operator - 1, -1, -1)) and side(range(operator + 1, len(texts)))


def lint(source: str) -> list[Finding]:
    lines = source.split("\n")

    def allowed(finding: Finding) -> bool:
        near = lines[max(0, finding.line - 2) : finding.line]
        return any(match.group(1) == finding.rule for line in near for match in ALLOW.finditer(line))

    findings = [finding for statement in Cutter(read_tokens(source)).run() for finding in find_in(statement)]
    return sorted((finding for finding in findings if not allowed(finding)), key=lambda finding: finding.line)


# Self-test -----------------------------------------------------------------------------------------------------------

GOOD = [
    "co_await f(1, name);",
    "const bool ok = co_await f();\nif (ok) co_return 1;",
    "if (auto x = co_await f()) { use(x); }",
    "if (const auto& x = co_await f()) use(x);",
    "if (std::optional<row> x = co_await f(); x.has_value()) use(*x);",
    "for (const auto& row : co_await rows()) { use(row); }",
    "for (int i = co_await first(); i < 3; ++i) { use(i); }",
    "auto [a, b] = co_await pair();",
    "list.push_back(co_await f());",
    "sum = 1 + co_await f() * 2;",
    "co_await f(std::string(\"x?{}\"));",
    "co_await f(make_options());",
    "options opts{.a = 1};\nco_await f(std::move(opts));",
    "auto task = [x = std::move(x)] { return f(x); };\nco_await spawn(std::move(task));",
    "co_await (std::move(one) || std::move(two));",
    "auto [order, e1, e2] = co_await group.async_wait(wait_for_one_error(), use_awaitable);",
    "co_await retry([&] { return named(conn); });",
    "co_await retry([this, &x] { return named(x); });",
    "co_await retry([](int x) { return std::string{\"a\"}; });",
    "auto&& x = co_await f();",
    "const auto n = flag ? 1 : 2;\nco_await f(n);",
    "co_return flag ? 1 : 2;",
    "co_return value;",
    "const auto x = limits{.rows = 3};",
    "try { co_await f(); } catch (const error& e) { log(e); }",
    "switch (auto kind = co_await f(); kind) { case kind::a: co_await g(); break; default: co_return; }",
    "case_of[i] = co_await f(list[2]);",
    "// co_await f({1, 2}) ? detached : co_return {}\nco_await f();",
    "co_await f(R\"(x ? {1} : detached)\");",
    "const auto text = \"detached\"; const char c = '{'; const int n = 1'000'000;\nco_await f(n);",
    "while (true) { const auto row = co_await next(); if (!row) break; }",
    "while (const auto row = co_await next()) use(*row);",
    "if (x) {\n  co_await f();\n} else {\n  y = {1, 2};\n}",
    "awaitable<int> g(int a) { co_return a; }\nclass c : public d { int x{3}; awaitable<void> f() { co_await g(); } };",
    "auto g(int a) -> awaitable<int> { co_await f(a); }",
    "thing::thing(int a) : a_{a}, b_(a), c_{a} { start(); }\nawaitable<void> h() { co_await f(); }",
    "namespace a::b { struct s { int x = 1; }; awaitable<void> h() { co_await f(); } }",
    "EXPECT_THROW(co_await f(), error);",
    "const auto got = co_await f();\nEXPECT_EQ(got, 1);",
    "enum class e { a, b };\nawaitable<void> h() { co_await f(e::a); }",
    "template <typename F> requires std::invocable<F> awaitable<void> h(F f) { co_await f(); }",
    "// lint_coroutines: allow detached, because main has nothing to wait for it\nco_spawn(io, f(), detached);",
    "#define X co_await f({1})\nco_await f();",
    "co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));",
    "if (done && !failed) co_await f();",
    "const bool both = a && b;\nco_await f(a || b);",
]

BAD = [
    ("brace", "co_await f(options{.a = 1});"),
    ("brace", "co_await f({.a = 1});"),
    ("brace", "co_await f({\"a\", \"b\"});"),
    ("brace", "co_await f(std::vector<int>{1, 2});"),
    ("brace", "use(result{co_await f()});"),
    ("brace", "const auto x = result{co_await f()};"),
    ("brace", "const result x{co_await f()};"),
    ("brace", "co_await f(name,\n    options{});"),
    ("brace", "for (auto& x : co_await f(options{})) use(x);"),
    ("brace", "if (auto x = co_await f({1})) use(x);"),
    ("brace", "auto h = [&]() -> awaitable<void> { co_await f(options{}); };"),
    ("brace", "if (a) co_await f(options{}); else g();"),
    ("brace", "x = {1, co_await f()};"),
    ("conditional", "co_await f(flag ? a : b);"),
    ("conditional", "const auto x = flag ? co_await f() : co_await g();"),
    ("condition", "if (co_await f()) co_return 1;"),
    ("condition", "if (x > 1 && co_await f()) { g(); }"),
    ("condition", "if (auto lock = take(); co_await f(lock)) { g(); }"),
    ("condition", "if (!co_await f()) { g(); }"),
    ("condition", "if (x = co_await f()) { g(); }"),
    ("condition", "if ((co_await f()).empty()) { g(); }"),
    ("condition", "while (co_await f()) { g(); }"),
    ("condition", "do { g(); } while (co_await f());"),
    ("condition", "switch (co_await f()) { case 1: break; }"),
    ("condition", "for (int i = 0; co_await f(i); ++i) g();"),
    ("condition", "for (;;) { if (co_await f()) break; }"),
    ("lambda", "co_await co_spawn(ex, [x] { return f(x); }, use_awaitable);"),
    ("lambda", "co_await co_spawn(ex, [x = std::move(x)]() mutable -> awaitable<void> { return f(x); }, tok);"),
    ("lambda", "co_await f([=] { return 1; });"),
    ("lambda", "co_await f([&a, b] { return 1; });"),
    ("lambda", "co_await f([*this] { return 1; });"),
    ("lambda", "const auto x = co_await f([this, x] { return 1; });"),
    ("co_return", "co_return {};"),
    ("co_return", "co_return {1, \"a\"};"),
    ("detached", "co_spawn(io, f(), asio::detached);"),
    ("logical", "const bool ok = co_await f() && co_await g();"),
    ("logical", "const bool ok = (co_await f()) || (co_await g());"),
    ("logical", "const bool ok = check(co_await f(a, b) and x, 1) || co_await g();"),
    ("macro", "EXPECT_TRUE(co_await f());"),
    ("macro", "ASSERT_EQ(1, co_await f(2)) << \"text\";"),
]


def self_test() -> int:
    failures = 0

    def check(name: str, source: str, expected: set[str]) -> None:
        nonlocal failures
        got = {finding.rule for finding in lint(source)}
        if got != expected:
            failures += 1
            print(f"self-test: {name}: expected {sorted(expected)}, found {sorted(got)}:\n    {source}", file=sys.stderr)

    for source in GOOD:
        check("good", source, set())
        check("good, in a function", f"awaitable<int> f(int a) {{\n{source}\n}}", set())
    for rule, source in BAD:
        check("bad", source, {rule})
        check("bad, in a function", f"awaitable<int> f(int a) {{\n{source}\n}}", {rule})
        check("bad, in a method", f"namespace n {{ class c : b {{ awaitable<int> f(int a) const {{ {source} }} }}; }}", {rule})
    check("all at once", "\n".join(source for _, source in BAD), {rule for rule, _ in BAD})
    lines = [finding.line for finding in lint("void f() {\n  /* a\n b */ co_await f(\n    options{});\n}\n")]
    if lines != [4]:
        failures += 1
        print(f"self-test: line numbers: expected [4], found {lines}", file=sys.stderr)
    print(f"lint_coroutines: self-test: {len(GOOD)} good, {len(BAD)} bad snippets, {failures} failures")
    return 1 if failures else 0


# Program -------------------------------------------------------------------------------------------------------------


def files_under(arguments: list[str]) -> list[Path]:
    files: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            files.extend(sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES))
        elif path.is_file():
            files.append(path)
        else:
            sys.exit(f"lint_coroutines: no such file or folder: {path}")
    return files


def main(arguments: list[str]) -> int:
    if arguments == ["--self-test"]:
        return self_test()
    if any(argument.startswith("-") for argument in arguments):
        print(__doc__)
        return 0 if arguments[0] in {"-h", "--help"} else 2
    if not arguments:
        root = Path(__file__).resolve().parent.parent
        arguments = [str(root / folder) for folder in DEFAULT_FOLDERS if (root / folder).is_dir()]
    files = files_under(arguments)
    count = 0
    for file in files:
        for finding in lint(file.read_text(encoding="utf-8")):
            count += 1
            print(f"{os.path.relpath(file)}:{finding.line}: [{finding.rule}] {finding.message()}")
    print(f"lint_coroutines: {len(files)} files, {count} findings", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
