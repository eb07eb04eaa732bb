// What the parser rejects, understood by its words.

#include <algorithm>
#include <array>

#include "parse.hpp"
#include "pgeist/ddl/sql_text.hpp"

namespace pgeist::ddl::parse {

namespace {

/// Reads `text` as the parser does once what is newer is written in its words. False if that does not help.
bool read_rewritten(statement& into, const std::string& text) {
    const rewritten from = rewrite_newer(text);
    if (from.since == 0) {
        return false;
    }
    sql_text::tree parsed = sql_text::parse(from.text);
    if (!parsed.ok()) {
        return false;
    }
    auto& statements = parsed.root.as_object()["stmts"];
    if (!statements.is_array() || statements.get_array().size() != 1) {
        return false;
    }
    auto& node = statements.get_array()[0].as_object()["stmt"];
    apply(from, node);
    statement made;
    if (!any(made, node)) {
        return false;
    }
    made.text = into.text;
    made.begin = into.begin;
    made.end = into.end;
    made.end_line = into.end_line;
    made.parse_error = into.parse_error;
    made.error_at = into.error_at;
    made.since = from.since;
    into = std::move(made);
    return true;
}

class clause_words {
public:
    explicit clause_words(const std::string& text) : all_(tokens_of(text)) {}

    [[nodiscard]] bool is(std::size_t at, const char* word) const { return at < all_.size() && all_[at].is(word); }
    [[nodiscard]] bool name(std::size_t at) const { return at < all_.size() && all_[at].is_name(); }
    [[nodiscard]] std::string text(std::size_t at) const { return all_[at].text; }
    [[nodiscard]] bool has(const char* first, const char* second) const {
        for (std::size_t at = 0; at + 1 < all_.size(); ++at) {
            if (is(at, first) && is(at + 1, second)) {
                return true;
            }
        }
        return false;
    }
    [[nodiscard]] std::size_t size() const { return all_.size(); }

private:
    std::vector<token> all_;
};

/// ADD [CONSTRAINT name] NOT NULL column [NOT VALID] [NO INHERIT]
bool read_not_null(clause& into, const clause_words& words) {
    std::size_t at = 1;
    ddl::constraint made;
    if (!words.is(0, "add")) {
        return false;
    }
    if (words.is(1, "constraint") && words.name(2)) {
        made.name = words.text(2);
        at = 3;
    }
    if (!words.is(at, "not") || !words.is(at + 1, "null") || !words.name(at + 2)) {
        return false;
    }
    made.kind = constraint_kind::not_null;
    made.columns = {words.text(at + 2)};
    made.not_valid = words.has("not", "valid");
    made.no_inherit = words.has("no", "inherit");
    into.kind = clause_kind::add_constraint;
    into.name = made.name;
    into.made = std::move(made);
    return true;
}

/// ALTER [COLUMN] name SET EXPRESSION AS (…)
bool read_set_expression(clause& into, const clause_words& words) {
    const std::size_t at = words.is(1, "column") ? 2 : 1;
    if (!words.is(0, "alter") || !words.name(at) || !words.is(at + 1, "set") || !words.is(at + 2, "expression")) {
        return false;
    }
    into.kind = clause_kind::set_expression;
    into.name = words.text(at);
    return true;
}

/// ALTER CONSTRAINT name with [NOT] ENFORCED or [NO] INHERIT
bool read_alter_constraint(clause& into, const clause_words& words) {
    if (!words.is(0, "alter") || !words.is(1, "constraint") || !words.name(2)) {
        return false;
    }
    into.kind = clause_kind::alter_constraint;
    into.name = words.text(2);
    const bool enforced = words.has("not", "enforced");
    for (std::size_t at = 3; at < words.size(); ++at) {
        if (words.is(at, "enforced")) {
            into.word = enforced ? "NOT ENFORCED" : "ENFORCED";
        } else if (words.is(at, "inherit")) {
            into.word = words.is(at - 1, "no") ? "NO INHERIT" : "INHERIT";
        }
    }
    return !into.word.empty();
}

/// One clause: by the parser, by the parser once rewritten, by its words.
bool read_clause(clause& into, const std::string& text, int& since) {
    const std::string whole = "ALTER TABLE t " + text;
    const sql_text::tree parsed = sql_text::parse(whole);
    statement made;
    if (parsed.ok()) {
        const auto& statements = tree::list(parsed.root.as_object(), "stmts");
        if (statements.size() == 1 &&
            alter(made, tree::node_of(statements[0].at("stmt")).kind, *tree::node_of(statements[0].at("stmt")).node) &&
            made.clauses.size() == 1) {
            into = made.clauses.front();
            into.text = text;
            return true;
        }
    }
    const clause_words words(text);
    into.text = text;
    if (read_not_null(into, words)) {
        since = std::max(since, 18);
        return true;
    }
    if (read_set_expression(into, words)) {
        since = std::max(since, 17);
        return true;
    }
    if (read_alter_constraint(into, words)) {
        since = std::max(since, 18);
        return true;
    }
    if (read_rewritten(made, whole) && made.clauses.size() == 1) {
        since = std::max(since, made.since);
        into = made.clauses.front();
        into.text = text;
        return true;
    }
    return false;
}

bool read_alter(statement& into, const std::string& text) {
    const auto parts = cut_alter(text);
    if (!parts || !tokens_of(parts->head)[1].is("table")) {
        return false;
    }
    std::vector<clause> clauses;
    int since = 0;
    for (const std::string& each : parts->clauses) {
        clause made;
        if (!read_clause(made, each, since)) {
            return false;
        }
        clauses.push_back(std::move(made));
    }
    if (since == 0) {
        return false;  // every clause is fine by itself, the whole is not: a real mistake
    }
    into.kind = statement_kind::alter_table;
    into.object = object_kind::table;
    into.relation = parts->relation;
    into.if_exists = parts->if_exists;
    into.only = parts->only;
    into.clauses = std::move(clauses);
    into.since = since;
    return true;
}

/// REPACK [(options)] [name [USING INDEX [name]]], of 19
bool read_repack(statement& into, const std::string& text) {
    const auto all = tokens_of(text);
    if (all.empty() || !all[0].is("repack")) {
        return false;
    }
    std::size_t at = 1;
    if (at < all.size() && all[at].is_sign('(')) {
        for (; at < all.size() && !all[at].is_sign(')'); ++at) {
            const bool off =
                at + 1 < all.size() && (all[at + 1].is("off") || all[at + 1].is("false") || all[at + 1].text == "0");
            into.concurrently = into.concurrently || (all[at].is("concurrently") && !off);
        }
        ++at;
    }
    if (at < all.size() && all[at].is_name() && !all[at].is("using")) {
        into.relation.name = all[at].text;
        if (at + 2 < all.size() && all[at + 1].is_sign('.') && all[at + 2].is_name()) {
            into.relation = qualified_name{all[at].text, all[at + 2].text};
        }
    }
    into.all_tables = into.relation.name.empty();
    into.kind = statement_kind::repack;
    into.since = 19;
    return true;
}

/// A row type or constraint of CREATE TABLE that only 18 has: CONSTRAINT n NOT NULL c. The rest of the table is read.
bool read_table_not_null(statement& into, const std::string& text) {
    const auto all = tokens_of(text);
    if (all.size() < 3 || !all[0].is("create")) {
        return false;
    }
    std::string changed;
    std::size_t copied = 0;
    for (std::size_t at = 1; at + 2 < all.size(); ++at) {
        const bool begins = all[at - 1].is_sign(',') || all[at - 1].is_sign('(') ||
                            (at > 2 && all[at - 2].is("constraint") && all[at - 1].is_name());
        if (begins && all[at].is("not") && all[at + 1].is("null") && all[at + 2].is_name()) {
            changed += text.substr(copied, all[at].begin - copied) + "CHECK (" + quote_identifier(all[at + 2].text) +
                       " IS NOT NULL)";
            copied = all[at + 2].end;
        }
    }
    if (copied == 0) {
        return false;
    }
    changed += text.substr(copied);
    const sql_text::tree parsed = sql_text::parse(changed);
    if (!parsed.ok()) {
        return false;
    }
    const auto& statements = tree::list(parsed.root.as_object(), "stmts");
    into.since = 18;
    return statements.size() == 1 && any(into, statements[0].at("stmt"));
}

}  // namespace

void writes_by_words(statement& into, const std::string& text) {
    const auto all = tokens_of(text);
    static constexpr std::array queries{"with", "insert", "update", "delete", "merge", "select"};
    if (all.empty() ||
        std::none_of(queries.begin(), queries.end(), [&](const char* each) { return all[0].is(each); })) {
        return;
    }
    for (std::size_t at = 0; at + 2 < all.size(); ++at) {
        const bool two = all[at].is("delete") || all[at].is("merge");
        const bool begins = at == 0 || all[at - 1].is_sign('(');
        if (!begins || (!two && !all[at].is("update"))) {
            continue;
        }
        statement one;
        one.kind = all[at].is("update")   ? statement_kind::update
                   : all[at].is("delete") ? statement_kind::remove
                                          : statement_kind::merge;
        std::size_t name = at + (two ? 2 : 1);
        name += name < all.size() && all[name].is("only") ? 1 : 0;
        if (name >= all.size() || !all[name].is_name()) {
            continue;
        }
        one.relation.name = all[name].text;
        if (name + 2 < all.size() && all[name + 1].is_sign('.') && all[name + 2].is_name()) {
            one.relation = qualified_name{all[name].text, all[name + 2].text};
        }
        into.writes.push_back(std::move(one));
    }
}

bool by_words(statement& into, const std::string& text) {
    return read_alter(into, text) || read_rewritten(into, text) || read_repack(into, text) ||
           read_table_not_null(into, text);
}

}  // namespace pgeist::ddl::parse
