#include "parse.hpp"

#include <algorithm>
#include <array>

#include "pgeist/ddl/sql_text.hpp"

namespace pgeist::ddl {

namespace {

constexpr std::size_t largest_tree = 2'000'000;
constexpr std::size_t most_operators = 5'000;

/// Operators nest to the left without limit; reading a tree of a hundred thousand levels would overflow the stack.
bool nests_too_deeply(const std::string& text) {
    static constexpr std::array words{"is",   "at",      "collate", "union", "intersect", "except",   "join",
                                      "like", "between", "in",      "ilike", "similar",   "overlaps", "isnull"};
    std::size_t count = 0;
    lexer from(text);
    token each;
    while (count <= most_operators && from.next(each)) {
        const bool sign =
            each.kind == token_kind::sign && std::string_view("(),;.[]").find(each.text[0]) == std::string_view::npos;
        const bool word =
            each.kind == token_kind::word && std::find(words.begin(), words.end(), each.text) != words.end();
        count += sign || word ? 1 : 0;
    }
    return count > most_operators;
}

/// INSERT INTO name, without looking at its rows: files of data have lines of megabytes.
bool large_insert(statement& into, const std::string& text) {
    std::vector<token> first;
    lexer from(text);
    token each;
    while (first.size() < 5 && from.next(each)) {
        if (each.kind != token_kind::comment) {
            first.push_back(each);
        }
    }
    if (first.size() < 5 || !first[0].is("insert") || !first[1].is("into") || !first[2].is_name()) {
        return false;
    }
    into.kind = statement_kind::insert;
    into.relation.name = first[2].text;
    if (first[3].is_sign('.') && first[4].is_name()) {
        into.relation = qualified_name{first[2].text, first[4].text};
    }
    return true;
}

place place_in(const piece& what, std::size_t position) {
    place at = what.begin;
    const std::size_t end = std::min(position > 0 ? position - 1 : 0, what.text.size());
    for (std::size_t i = 0; i < end; ++i) {
        const char now = what.text[i];
        const bool two = now == '\r' && i + 1 < what.text.size() && what.text[i + 1] == '\n';
        ++at.offset;
        if ((now == '\n' || now == '\r') && !two) {
            ++at.line;
            at.column = 1;
        } else {
            at.column += (static_cast<unsigned char>(now) & 0xC0U) == 0x80 ? 0 : 1;
        }
    }
    return at;
}

void keep_clause_texts(statement& into) {
    if (into.kind != statement_kind::alter_table) {
        return;
    }
    const auto parts = parse::cut_alter(into.text);
    for (std::size_t at = 0; parts && at < into.clauses.size() && parts->clauses.size() == into.clauses.size(); ++at) {
        into.clauses[at].text = parts->clauses[at];
    }
}

bool has_member(const tree::json::value& value, std::string_view name) {
    if (value.is_array()) {
        const auto& items = value.get_array();
        return std::any_of(items.begin(), items.end(), [&](const auto& each) { return has_member(each, name); });
    }
    if (!value.is_object()) {
        return false;
    }
    const auto& members = value.get_object();
    return std::any_of(members.begin(), members.end(),
                       [&](const auto& each) { return each.key() == name || has_member(each.value(), name); });
}

/// The parser is 15's: what came with it, 14 rejects.
int since_when(const statement& what, const tree::json::value& node) {
    const bool method = std::any_of(what.clauses.begin(), what.clauses.end(),
                                    [](const clause& each) { return each.kind == clause_kind::set_access_method; });
    const bool schemas = what.object == object_kind::publication && !what.names.empty();
    const bool columns =
        what.object == object_kind::publication && (has_member(node, "whereClause") || has_member(node, "columns"));
    return what.kind == statement_kind::merge || method || schemas || columns ||
                   has_member(node, "nulls_not_distinct") || has_member(node, "fk_del_set_cols")
               ? 15
               : 0;
}

void read(statement& into, const piece& what) {
    if (what.text.size() > largest_tree || nests_too_deeply(what.text)) {
        if (!large_insert(into, what.text)) {
            into.why = "it is too long to be looked into";
        }
        return;
    }
    const sql_text::tree parsed = sql_text::parse(what.text);
    if (!parsed.ok()) {
        into.parse_error = parsed.message;
        into.error_at = place_in(what, parsed.position);
        into.why = parsed.message;
        if (parse::by_words(into, what.text)) {
            into.why.clear();
        } else {
            into.kind = statement_kind::not_understood;
            parse::writes_by_words(into, what.text);
        }
        return;
    }
    const auto& statements = tree::list(parsed.root.as_object(), "stmts");
    if (statements.size() != 1 || !statements[0].is_object() || !statements[0].get_object().contains("stmt")) {
        into.why = "it cannot be told where it ends";
        return;
    }
    const bool known = parse::any(into, statements[0].get_object().at("stmt"));
    into.since = since_when(into, statements[0].get_object().at("stmt"));
    if (!known) {
        into.kind = statement_kind::not_understood;
        into.why = into.why.empty() ? "statements of this kind are not known to pgeist" : into.why;
    }
}

/// psql's commands that send nothing to the server, or nothing that matters.
bool harmless_command(const std::string& text) {
    static constexpr std::array known{"\\echo",       "\\qecho",    "\\warn",       "\\timing",   "\\pset",
                                      "\\set",        "\\unset",    "\\x",          "\\a",        "\\t",
                                      "\\encoding",   "\\restrict", "\\unrestrict", "\\q",        "\\o",
                                      "\\errverbose", "\\prompt",   "\\.",          "\\conninfo", "\\password"};
    const std::string name = text.substr(0, text.find_first_of(" \t"));
    return std::find(known.begin(), known.end(), name) != known.end();
}

}  // namespace

namespace parse {

bool any(statement& into, const tree::json::value& value) {
    const auto [kind, node] = tree::node_of(value);
    return alter(into, kind, *node) || create(into, kind, *node) || maintain(into, kind, *node) ||
           query(into, kind, *node) || session(into, kind, *node);
}

}  // namespace parse

statement understand(const piece& what) {
    statement made;
    made.text = what.text;
    made.begin = what.begin;
    made.end = what.end;
    made.end_line = what.end_line;
    if (what.kind == piece_kind::meta_command) {
        made.kind = statement_kind::meta_command;
        made.why = harmless_command(what.text) ? "" : "psql's commands are not carried out";
        return made;
    }
    if (!what.open.empty()) {
        made.why = what.open + " is not closed at the end of the file";
        made.parse_error = made.why;
        made.error_at = what.begin;
        return made;
    }
    read(made, what);
    keep_clause_texts(made);
    if (what.ended_by == "\\gexec") {
        made.kind = statement_kind::not_understood;
        made.why = "its result is run by \\gexec";
    }
    return made;
}

statement understand(const std::string& sql) {
    const script cut = split(sql);
    if (cut.pieces.size() != 1) {
        statement none;
        none.text = sql;
        none.why = cut.pieces.empty() ? "there is no statement in it" : "there are several statements in it";
        return none;
    }
    return understand(cut.pieces.front());
}

}  // namespace pgeist::ddl
