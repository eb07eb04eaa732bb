// DO blocks: the statements in them that are written out, and EXECUTE of a literal.

#include <algorithm>
#include <array>

#include "parse.hpp"

namespace pgeist::ddl::parse {

namespace {

bool is_sql(const token& word) {
    static constexpr std::array words{"alter",    "create",  "drop",   "truncate", "insert",  "update",  "delete",
                                      "merge",    "lock",    "vacuum", "reindex",  "cluster", "refresh", "grant",
                                      "revoke",   "comment", "set",    "reset",    "copy",    "analyze", "commit",
                                      "rollback", "select",  "with",   "do"};
    return word.kind == token_kind::word && std::find(words.begin(), words.end(), word.text) != words.end();
}

/// Statements of plpgsql itself that reach no relation except by the expressions in them.
bool is_plpgsql(const token& word) {
    static constexpr std::array words{"raise", "return", "exit",  "continue", "null",
                                      "get",   "assert", "close", "end",      "declare"};
    return word.kind == token_kind::word && std::find(words.begin(), words.end(), word.text) != words.end();
}

/// Where the SQL of a plpgsql statement begins: behind IF … THEN, ELSE, LOOP, BEGIN, EXCEPTION WHEN … THEN.
std::size_t behind_control(const std::vector<token>& all) {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < all.size(); ++at) {
        const bool opens = all[at].is("then") || all[at].is("else") || all[at].is("loop") || all[at].is("begin");
        // THEN and ELSE of a CASE stand within an expression: no SQL word follows them at once.
        const bool starts =
            at + 1 < all.size() &&
            (is_sql(all[at + 1]) || is_plpgsql(all[at + 1]) || all[at + 1].is("execute") || all[at + 1].is("perform") ||
             all[at + 1].is("begin") || all[at + 1].is("if") || all[at + 1].is("for") || all[at + 1].is("while") ||
             all[at + 1].is("declare") || all[at + 1].is_name());
        if (opens && starts && (all[at].is("begin") || at == 0 || !is_sql(all[begin]))) {
            begin = at + 1;
        }
    }
    return begin;
}

void add_unknown(statement& into, const std::string& why) {
    if (into.why.empty()) {
        into.why = why;
    }
}

/// SELECT … INTO variable is no new table here.
void correct_select(statement& inner) {
    if (inner.kind == statement_kind::create_table_as && inner.object == object_kind::table) {
        const auto all = tokens_of(inner.text);
        if (!all.empty() && !all[0].is("create")) {
            inner.kind = statement_kind::select;
            inner.relation = {};
        }
    }
}

void read_sql(statement& into, const std::string& text) {
    statement inner = understand(text);
    inner.begin = into.begin;
    inner.end = into.end;
    inner.end_line = into.end_line;
    correct_select(inner);
    if (inner.kind == statement_kind::not_understood) {
        add_unknown(into, "a statement in the block cannot be read: " + inner.why);
    } else if (!inner.why.empty()) {
        add_unknown(into, inner.why);
    }
    into.inner.push_back(std::move(inner));
}

void read_execute(statement& into, const std::vector<token>& all, std::size_t at) {
    const bool literal = at + 1 < all.size() &&
                         (all[at + 1].kind == token_kind::string || all[at + 1].kind == token_kind::dollar_string);
    const bool alone =
        at + 2 == all.size() || (at + 2 < all.size() && (all[at + 2].is("using") || all[at + 2].is("into")));
    if (!literal || !alone) {
        add_unknown(into, "the block runs a text that is put together while it runs");
        return;
    }
    read_sql(into, all[at + 1].text);
}

bool has_query(const std::vector<token>& all, std::size_t from) {
    return std::any_of(all.begin() + static_cast<std::ptrdiff_t>(from), all.end(),
                       [](const token& each) { return each.is("execute"); });
}

void read_statement(statement& into, const piece& each) {
    const auto all = tokens_of(each.text);
    if (all.empty()) {
        return;
    }
    const std::size_t begin = behind_control(all);
    if (begin >= all.size()) {
        return;
    }
    const token& first = all[begin];
    if (first.is("execute")) {
        read_execute(into, all, begin);
    } else if (first.is("perform")) {
        read_sql(into, "SELECT " + each.text.substr(first.end));
    } else if (is_sql(first)) {
        read_sql(into, each.text.substr(first.begin));
    } else if (first.is("call")) {
        add_unknown(into, "what the procedure does is not looked into");
    } else if (has_query(all, begin)) {
        add_unknown(into, "the block runs a text that is put together while it runs");
    }
}

}  // namespace

void procedural(statement& into, const std::string& body) {
    const script cut = split(body);
    if (!cut.problem.empty()) {
        into.why = cut.problem;
        return;
    }
    for (const piece& each : cut.pieces) {
        if (!each.open.empty()) {
            add_unknown(into, "the block's text cannot be cut into statements");
        } else if (each.kind == piece_kind::sql) {
            read_statement(into, each);
        }
    }
}

}  // namespace pgeist::ddl::parse
