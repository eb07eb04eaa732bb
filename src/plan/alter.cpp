#include "pgeist/plan/alter.hpp"

#include <fmt/format.h>

#include "classify.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/ddl/sql_text.hpp"

namespace pgeist::plan {

namespace {

using token_list = std::vector<ddl::sql_text::token>;

bool is_word(const token_list& all, std::size_t at, const char* word) {
    return at < all.size() && !all[at].quoted && all[at].word == word;
}

/// A whole statement's head: where its clauses begin, and the table it names.
struct head {
    std::size_t clauses = 0;  ///< index of the first token after the head
    qualified_name table;
};

/// Reads `ALTER TABLE [IF EXISTS] [ONLY] name [*]`; nullopt when the text is clauses only.
std::optional<head> read_head(const token_list& all) {
    if (!is_word(all, 0, "alter") || !is_word(all, 1, "table")) {
        return std::nullopt;
    }
    head found;
    std::size_t at = 2;
    at += is_word(all, at, "if") && is_word(all, at + 1, "exists") ? 2 : 0;
    at += is_word(all, at, "only") ? 1 : 0;
    if (at >= all.size() || all[at].word.empty()) {
        throw error(exit_code::refused, "ALTER TABLE without a table name");
    }
    found.table.name = all[at++].word;
    if (at + 1 < all.size() && all[at].sign == '.') {
        found.table.schema = std::exchange(found.table.name, all[at + 1].word);
        at += 2;
    }
    at += at < all.size() && all[at].sign == '*' ? 1 : 0;
    found.clauses = at;
    return found;
}

void check_table(const qualified_name& named, qualified_name& table) {
    if (table.name.empty()) {
        table = named;
        return;
    }
    const bool same_schema = named.schema.empty() || table.schema.empty() || named.schema == table.schema;
    if (named.name != table.name || !same_schema) {
        throw error(exit_code::refused,
                    fmt::format("the ALTER is about {}, not about {}", named.display(), table.display()),
                    "one run changes one table");
    }
    if (table.schema.empty()) {
        table.schema = named.schema;
    }
}

/// The texts between commas outside parentheses, from token `from` on.
std::vector<std::string> split_clauses(const std::string& text, const token_list& all, std::size_t from) {
    std::vector<std::string> clauses;
    int depth = 0;
    std::size_t begin = from;
    const auto take = [&](std::size_t end) {
        if (begin >= end) {
            throw error(exit_code::refused, fmt::format("an empty clause in \"{}\"", text));
        }
        clauses.push_back(text.substr(all[begin].begin, all[end - 1].end - all[begin].begin));
    };
    for (std::size_t at = from; at < all.size(); ++at) {
        depth += all[at].sign == '(' || all[at].sign == '[' ? 1 : 0;
        depth -= all[at].sign == ')' || all[at].sign == ']' ? 1 : 0;
        if (depth == 0 && all[at].sign == ',') {
            take(at);
            begin = at + 1;
        }
    }
    take(all.size());
    return clauses;
}

/// A statement of another kind gets a clearer answer than "syntax error".
void refuse_other_statement(const std::string& text) {
    const auto tree = ddl::sql_text::parse(text);
    if (tree.ok()) {
        throw error(exit_code::refused, fmt::format("not an ALTER TABLE: \"{}\"", text),
                    "pgeist runs ALTER TABLE clauses or statements only");
    }
}

bool is_rename(const clause& each) {
    return each.kind == clause_kind::rename_column || each.kind == clause_kind::rename_constraint;
}

void add_statements(const std::string& text, qualified_name& table, std::vector<alter_statement>& into) {
    const token_list all = ddl::sql_text::scan(text);
    const auto whole = read_head(all);
    if (whole) {
        check_table(whole->table, table);
    } else {
        refuse_other_statement(text);
    }
    alter_statement current;
    for (const auto& piece : split_clauses(text, all, whole ? whole->clauses : 0)) {
        clause each = classify(piece);
        // PostgreSQL takes RENAME only alone; in a list it stands where the user wrote it.
        if (is_rename(each) && !current.clauses.empty()) {
            into.push_back(std::exchange(current, {}));
        }
        const bool alone = is_rename(each);
        current.clauses.push_back(std::move(each));
        if (alone) {
            into.push_back(std::exchange(current, {}));
        }
    }
    if (!current.clauses.empty()) {
        into.push_back(std::move(current));
    }
}

}  // namespace

std::vector<alter_statement> parse_alters(const std::vector<std::string>& texts, qualified_name& table) {
    std::vector<alter_statement> statements;
    for (const auto& text : texts) {
        const auto parts = split_statements(text);
        if (parts.empty()) {
            throw error(exit_code::refused, "an ALTER without any clause");
        }
        for (const auto& part : parts) {
            add_statements(part, table, statements);
        }
    }
    return statements;
}

std::string alter_sql(const std::string& table, const alter_statement& what) {
    std::vector<std::string> texts;
    for (const auto& each : what.clauses) {
        texts.push_back(each.text);
    }
    // A line break before each comma: a clause may end in a comment to the end of its line.
    return fmt::format("ALTER TABLE {} {}", table, join(texts, "\n, "));
}

}  // namespace pgeist::plan
