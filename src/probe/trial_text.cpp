#include "trial_text.hpp"

#include <algorithm>
#include <array>

#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/ddl/lexer.hpp"

namespace pgeist::probe {

namespace {

bool is_symbol(const std::vector<token>& all, std::size_t at, const char* symbol) {
    return at < all.size() && all[at].kind == token_kind::other && all[at].value == symbol;
}

bool is_word(const std::vector<token>& all, std::size_t at, const char* word) {
    return at < all.size() && all[at].kind == token_kind::word && all[at].value == word;
}

bool is_name(const std::vector<token>& all, std::size_t at) {
    return at < all.size() && (all[at].kind == token_kind::word || all[at].kind == token_kind::quoted);
}

bool names_relation(const std::vector<token>& all, std::size_t at) {
    const bool cast = is_symbol(all, at + 1, ":") && is_symbol(all, at + 2, ":") && is_word(all, at + 3, "regclass");
    const bool argument = at >= 2 && is_symbol(all, at - 1, "(") &&
                          (is_word(all, at - 2, "nextval") || is_word(all, at - 2, "currval") ||
                           is_word(all, at - 2, "setval") || is_word(all, at - 2, "to_regclass"));
    return cast || argument;
}

void add_literal(const token& from, std::vector<written_name>& into) {
    try {
        const qualified_name parsed = parse_qualified_name(from.value);
        into.push_back(written_name{parsed.schema, parsed.name, from.begin, from.end, true});
    } catch (const usage_error&) {
        // The server will say what is wrong with it.
    }
}

/// Kinds of statement that are tried: what they do can be seen on stand-ins, and they run nobody's code.
constexpr std::array tried_kinds{
    "alter table",   "alter index",   "alter view",    "alter sequence",   "alter domain",    "alter type",
    "alter policy",  "alter trigger", "alter rule",    "alter statistics", "create table",    "create index",
    "create view",   "create domain", "create type",   "create sequence",  "create trigger",  "create policy",
    "create rule",   "drop table",    "drop index",    "drop view",        "drop domain",     "drop type",
    "drop sequence", "drop trigger",  "drop policy",   "drop rule",        "drop statistics", "create statistics",
    "comment on",    "truncate",      "reindex table", "reindex index",    "cluster",         "lock table",
};

}  // namespace

std::vector<token> tokens_of(const std::string& sql) {
    std::vector<token> all;
    for (ddl::token& each : ddl::tokens_of(sql)) {
        auto kind = token_kind::other;
        if (each.kind == ddl::token_kind::word) {
            kind = token_kind::word;
        } else if (each.kind == ddl::token_kind::quoted) {
            kind = token_kind::quoted;
        } else if (each.kind == ddl::token_kind::string || each.kind == ddl::token_kind::dollar_string) {
            kind = token_kind::literal;
        }
        all.push_back(token{kind, each.begin, each.end, std::move(each.text)});
    }
    return all;
}

std::vector<written_name> names_in(const std::string& sql) {
    const std::vector<token> all = tokens_of(sql);
    std::vector<written_name> found;
    for (std::size_t at = 0; at < all.size(); ++at) {
        if (all[at].kind == token_kind::literal && names_relation(all, at)) {
            add_literal(all[at], found);
        }
        if (!is_name(all, at)) {
            continue;
        }
        written_name each{"", all[at].value, all[at].begin, all[at].end, false};
        if (is_symbol(all, at + 1, ".") && is_name(all, at + 2)) {
            each = written_name{all[at].value, all[at + 2].value, all[at].begin, all[at + 2].end, false};
            at += 2;
            while (is_symbol(all, at + 1, ".") && is_name(all, at + 2)) {
                at += 2;
            }
        }
        found.push_back(std::move(each));
    }
    return found;
}

std::string kind_of(const std::string& sql) {
    std::vector<std::string> words;
    for (const token& each : tokens_of(sql)) {
        if (each.kind != token_kind::word || words.size() == 4) {
            break;
        }
        const bool noise = !words.empty() && (each.value == "or" || each.value == "replace" || each.value == "unique" ||
                                              each.value == "constraint" || each.value == "recursive");
        if (!noise) {
            words.push_back(each.value);
        }
    }
    words.resize(std::max<std::size_t>(words.size(), 2));
    if (words[0] == "truncate" || words[0] == "cluster") {
        return words[0];
    }
    return words[0] + " " + words[1];
}

std::string made_schema(const std::string& sql) {
    const std::vector<token> all = tokens_of(sql);
    if (!is_word(all, 0, "create") || !is_word(all, 1, "schema")) {
        return {};
    }
    const std::size_t at = is_word(all, 2, "if") ? 5 : 2;  // IF NOT EXISTS
    const bool elements = std::count_if(all.begin(), all.end(), [](const token& each) {
                              return each.kind == token_kind::word && each.value == "create";
                          }) > 1;
    return is_name(all, at) && !is_word(all, at, "authorization") && !elements ? all[at].value : std::string();
}

bool has_word(const std::string& sql, const std::string& word) {
    const std::vector<token> all = tokens_of(sql);
    return std::any_of(all.begin(), all.end(),
                       [&](const token& each) { return each.kind == token_kind::word && each.value == word; });
}

namespace {

bool has_words(const std::vector<token>& all, std::initializer_list<const char*> words) {
    for (std::size_t at = 0; at < all.size(); ++at) {
        std::size_t place = at;
        const bool here =
            std::all_of(words.begin(), words.end(), [&](const char* each) { return is_word(all, place++, each); });
        if (here) {
            return true;
        }
    }
    return false;
}

/// Of COMMENT ON.
bool is_about_relation(const std::vector<token>& all) {
    constexpr std::array kinds{"table", "column",  "index",  "constraint", "view",   "sequence",
                               "rule",  "trigger", "policy", "statistics", "domain", "type"};
    return std::any_of(kinds.begin(), kinds.end(), [&](const char* each) { return is_word(all, 2, each); });
}

/// What temporary tables, or a transaction, cannot show.
std::string what_stand_ins_cannot(const std::vector<token>& all, const std::string& kind) {
    if (has_words(all, {"concurrently"})) {
        return "CONCURRENTLY cannot be tried in a transaction";
    }
    for (const char* each : {"logged", "unlogged"}) {
        if (has_words(all, {each})) {
            return "the stand-ins are temporary tables, which cannot be made logged or unlogged";
        }
    }
    if (has_words(all, {"set", "schema"})) {
        return "the stand-ins cannot leave their schema";
    }
    if (has_words(all, {"owner", "to"})) {
        return "the stand-ins stay with the role of the trial";
    }
    if (has_words(all, {"all", "in", "tablespace"})) {
        return "which tables it changes is decided when it runs";
    }
    if (kind == "create table" &&
        (has_words(all, {"as", "select"}) || has_words(all, {"as", "with"}) || has_words(all, {"as", "table"}) ||
         has_words(all, {"as", "values"}) || has_words(all, {"as", "execute"}))) {
        return "it runs a query";
    }
    if (has_words(all, {"finalize"})) {
        return "an unfinished DETACH cannot be copied";
    }
    if (kind == "comment on" && !is_about_relation(all)) {
        return "it is not about a table";
    }
    if (kind == "create type" && !has_words(all, {"as"})) {
        return "it is about functions";
    }
    if ((kind == "drop type" || kind == "drop domain") && has_words(all, {"cascade"})) {
        return "what it takes along is not copied";
    }
    return {};
}

}  // namespace

std::string why_not_tried(const std::string& sql) {
    const std::vector<token> all = tokens_of(sql);
    const std::string kind = kind_of(sql);
    if (std::find(tried_kinds.begin(), tried_kinds.end(), kind) == tried_kinds.end()) {
        return "statements of this kind are not tried";
    }
    for (std::size_t at = 0; at < all.size(); ++at) {
        if (all[at].kind == token_kind::quoted && sql[all[at].begin] != '"') {
            return "names with Unicode escapes are not read";
        }
        if (is_symbol(all, at, ";") && at + 1 < all.size()) {
            return "it is more than one statement";
        }
    }
    return what_stand_ins_cannot(all, kind);
}

}  // namespace pgeist::probe
