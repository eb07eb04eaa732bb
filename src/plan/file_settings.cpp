#include "file_settings.hpp"

#include <algorithm>

#include "pgeist/core/identifier.hpp"
#include "pgeist/ddl/lexer.hpp"

namespace pgeist::plan {

namespace {

using ddl::statement_kind;

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char letter) {
        return static_cast<char>(letter < 128 ? std::tolower(letter) : letter);
    });
    return text;
}

/// The same for one transaction: SET LOCAL.
std::string for_transaction(const std::string& sql) {
    const auto words = ddl::tokens_of(sql);
    if (words.size() < 2 || !words[0].is("set") || words[1].is("local")) {
        return sql;
    }
    const bool whole_session =
        words[1].is("session") && words.size() > 2 && !words[2].is("authorization") && !words[2].is("characteristics");
    const std::size_t rest = whole_session ? words[2].begin : words[1].begin;
    return "SET LOCAL " + sql.substr(rest);
}

std::string value_of(const ddl::statement& what) {
    if (what.name != "search_path") {
        return what.value;
    }
    std::string path;
    for (const std::string& each : what.names) {
        path += (path.empty() ? "" : ", ") + quote_identifier(each);
    }
    return path;
}

/// `SELECT pg_catalog.set_config('search_path', '', false)`, which dumps begin with.
bool sets_by_function(const ddl::statement& what) {
    const bool only = what.functions.size() == 1 &&
                      (what.functions[0] == "set_config" || what.functions[0] == "pg_catalog.set_config");
    return what.kind == statement_kind::select && only && what.reads.empty() && what.literals.size() == 2;
}

}  // namespace

void file_settings::put(file_setting what, std::size_t transaction) {
    std::erase_if(all_, [&](const kept& each) {
        return each.what.name == what.name && (transaction == 0 || each.transaction == transaction);
    });
    all_.push_back(kept{std::move(what), transaction});
}

void file_settings::reset(const std::string& name) {
    if (name.empty()) {
        // RESET ALL leaves the role.
        std::erase_if(all_, [](const kept& each) {
            return each.what.name != "role" && each.what.name != "session_authorization";
        });
    } else {
        std::erase_if(all_, [&](const kept& each) { return each.what.name == name; });
    }
}

std::string file_settings::take(const ddl::statement& what, std::size_t transaction) {
    if (sets_by_function(what)) {
        file_setting made;
        made.name = lower(what.literals[0]);
        made.value = what.literals[1];
        made.sql = "SELECT pg_catalog.set_config(" + quote_literal(what.literals[0]) + ", " +
                   quote_literal(what.literals[1]) + ", true)";
        const auto words = ddl::tokens_of(what.text);
        const bool local = std::any_of(words.begin(), words.end(), [](const auto& each) { return each.is("true"); });
        put(std::move(made), local ? transaction : 0);
        return "";
    }
    if (what.kind != statement_kind::set && what.kind != statement_kind::reset) {
        return "";
    }
    const std::string name = lower(what.name);
    if (name == "lock_timeout" || name == "statement_timeout" || name == "idle_in_transaction_session_timeout" ||
        name == "transaction_timeout") {
        return "pgeist sets its own limits";
    }
    if (name == "client_encoding") {
        return "the file is read as UTF-8";
    }
    if (name == "transaction" || name == "session characteristics" || name == "transaction snapshot") {
        return "each statement is a transaction of its own";
    }
    if (what.kind == statement_kind::reset) {
        reset(name);
        return "";
    }
    file_setting made;
    made.name = name;
    made.value = value_of(what);
    made.sql = for_transaction(what.text);
    put(std::move(made), what.local ? transaction : 0);
    return "";
}

std::vector<file_setting> file_settings::now(std::size_t transaction) const {
    std::vector<file_setting> made;
    for (const kept& each : all_) {
        if (each.transaction == 0 || each.transaction == transaction) {
            made.push_back(each.what);
        }
    }
    return made;
}

}  // namespace pgeist::plan
