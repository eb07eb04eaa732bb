#include "pgeist/ddl/marks.hpp"

#include <algorithm>
#include <cctype>

namespace pgeist::ddl {

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); });
    return out;
}

/// The comment's words in lower case, without what makes it a comment: one space between them, none around them.
std::string content(std::string_view comment) {
    std::string_view inner = comment;
    if (inner.starts_with("--")) {
        inner.remove_prefix(2);
    } else if (inner.size() >= 4) {
        inner = inner.substr(2, inner.size() - 4);
    }
    std::string out;
    for (const char c : inner) {
        const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (!space) {
            out += c;
        } else if (!out.empty() && out.back() != ' ') {
            out += ' ';
        }
    }
    while (!out.empty() && out.back() == ' ') {
        out.pop_back();
    }
    return lower(out);
}

bool has(std::string_view text, std::string_view what) { return text.find(what) != std::string_view::npos; }

std::optional<bool> said(std::string_view text, std::string_view name) {
    for (const char* const sign : {":", "=", ": ", " = ", " "}) {
        if (has(text, std::string(name) + sign + "false")) {
            return false;
        }
        if (has(text, std::string(name) + sign + "true")) {
            return true;
        }
    }
    return std::nullopt;
}

mark transaction_mark(std::string tool, bool wanted) {
    return mark{wanted ? mark_kind::transaction : mark_kind::no_transaction, std::move(tool), std::nullopt};
}

mark of_goose(std::string_view text) {
    if (text == "+goose up") {
        return {mark_kind::up, "goose", {}};
    }
    if (text == "+goose down") {
        return {mark_kind::down, "goose", {}};
    }
    if (text == "+goose no transaction") {
        return transaction_mark("goose", false);
    }
    return {};
}

mark of_section(std::string_view text, std::string_view head, const char* tool) {
    const std::string_view rest = text.substr(head.size());
    mark found;
    found.tool = tool;
    found.kind = rest.starts_with("up") ? mark_kind::up : rest.starts_with("down") ? mark_kind::down : mark_kind::none;
    found.transaction = said(rest, "transaction");
    if (has(rest, "notransaction")) {
        found.transaction = false;
    }
    return found;
}

}  // namespace

mark read_mark(std::string_view comment) {
    if (comment.size() > 400) {
        return {};
    }
    const std::string text = content(comment);
    if (text.starts_with("+goose")) {
        return of_goose(text);
    }
    if (text.starts_with("+migrate ")) {
        return of_section(text, "+migrate ", "sql-migrate");
    }
    if (text.starts_with("migrate:")) {
        return of_section(text, "migrate:", "dbmate");
    }
    if (text == "no-transaction") {
        return transaction_mark("sqlx", false);
    }
    if (text.starts_with("atlas:txmode")) {
        return transaction_mark("Atlas", !has(text, "none"));
    }
    if (has(text, "executeintransaction")) {
        const auto wanted = said(text, "executeintransaction");
        return wanted ? transaction_mark("Flyway", *wanted) : mark();
    }
    if (text.starts_with("changeset ")) {
        mark found{mark_kind::up, "Liquibase", said(text, "runintransaction")};
        found.transaction = found.transaction.value_or(true);
        return found;
    }
    if (text == "postgres-migrations disable-transaction") {
        return transaction_mark("postgres-migrations", false);
    }
    if (text.starts_with("transactional: false") || text.starts_with("transactional:false")) {
        return transaction_mark("yoyo", false);
    }
    if (comment.starts_with("-->") && has(text, "statement-breakpoint")) {
        return {mark_kind::breakpoint, "drizzle", {}};
    }
    if (text.starts_with("running upgrade ")) {
        return {mark_kind::up, "Alembic", {}};
    }
    if (text.starts_with("running downgrade ")) {
        return {mark_kind::down, "Alembic", {}};
    }
    if (text == "up migration" || text == "down migration") {
        return {text == "up migration" ? mark_kind::up : mark_kind::down, "node-pg-migrate", {}};
    }
    return {};
}

std::string tool_of_name(std::string_view path) {
    const std::string_view name = path.substr(path.find_last_of('/') + 1);
    const bool numbered = name.size() > 2 && std::isdigit(static_cast<unsigned char>(name[1])) != 0;
    if ((name.starts_with("V") || name.starts_with("U") || name.starts_with("B")) && numbered && has(name, "__")) {
        return "Flyway";
    }
    if (name.starts_with("R__")) {
        return "Flyway";
    }
    return name.ends_with(".up.sql") || name.ends_with(".down.sql") ? "golang-migrate or sqlx" : "";
}

bool is_down_file(std::string_view path) {
    const std::string name = lower(path.substr(path.find_last_of('/') + 1));
    for (const char* const word : {"down", "undo", "rollback", "revert"}) {
        if (name == std::string(word) + ".sql") {
            return true;
        }
        for (const char* const sign : {".", "-", "_"}) {
            if (name.ends_with(std::string(sign) + word + ".sql")) {
                return true;
            }
        }
    }
    return name.starts_with("u") && tool_of_name(path) == "Flyway";
}

bool natural_less(std::string_view a, std::string_view b) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < a.size() && j < b.size()) {
        if (!digit(a[i]) || !digit(b[j])) {
            if (a[i] != b[j]) {
                return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
            }
            ++i;
            ++j;
            continue;
        }
        const auto number = [&](std::string_view text, std::size_t& at) {
            while (at < text.size() && text[at] == '0') {
                ++at;
            }
            const std::size_t from = at;
            while (at < text.size() && digit(text[at])) {
                ++at;
            }
            return text.substr(from, at - from);
        };
        const std::string_view left = number(a, i);
        const std::string_view right = number(b, j);
        if (left.size() != right.size()) {
            return left.size() < right.size();
        }
        if (left != right) {
            return left < right;
        }
    }
    if (a.size() - i != b.size() - j) {
        return a.size() - i < b.size() - j;
    }
    return a < b;  // 01 and 1 are different names all the same
}

}  // namespace pgeist::ddl
