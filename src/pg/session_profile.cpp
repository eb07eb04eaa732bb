#include "pgeist/pg/session_profile.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "option_names.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::pg {

namespace {

// Settings with a dot are listed nowhere while the library that they belong to is not loaded, except where they were
// given: to a role or a database, in the options of the connection, or in the server's files, as far as this role may
// read those. Those that only superusers may set are no matter of values, and could not be set again.
constexpr const char* profile_sql = R"sql(
    SELECT name, setting FROM pg_settings
     WHERE lower(name) IN ('timezone', 'timezone_abbreviations', 'datestyle', 'intervalstyle', 'lc_monetary', 'lc_numeric',
                           'lc_time', 'bytea_output', 'extra_float_digits', 'xmloption', 'xmlbinary', 'array_nulls',
                           'default_text_search_config', 'backslash_quote', 'transform_null_equals',
                           'default_toast_compression')
    UNION ALL
    SELECT DISTINCT given.name, current_setting(given.name, true)
      FROM (SELECT split_part(one, '=', 1) AS name
              FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS one
             WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
               AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
            UNION SELECT unnest($1::text[])) AS given
     WHERE strpos(given.name, '.') > 0 AND current_setting(given.name, true) IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_settings p WHERE lower(p.name) = lower(given.name) AND p.context <> 'user')
     ORDER BY 1)sql";

bool is_custom(const std::string& name) { return name.find('.') != std::string::npos; }

/// The words of a connection's options as the server reads them: a backslash takes the next character as it is.
std::vector<std::string> words_of(const std::string& options) {
    std::vector<std::string> words;
    bool inside = false;
    for (std::size_t at = 0; at < options.size(); ++at) {
        const char c = options[at];
        const bool space = c == ' ' || (c >= '\t' && c <= '\r');
        if (space) {
            inside = false;
            continue;
        }
        if (!inside) {
            words.emplace_back();
            inside = true;
        }
        const bool escaped = c == '\\' && at + 1 < options.size();
        words.back() += escaped ? options[++at] : c;
    }
    return words;
}

/// Names of settings that may be in the server's files; empty where this role may not read those.
awaitable<std::vector<std::string>> custom_names_in_files(connection& session) {
    std::vector<std::string> names;
    const result allowed = co_await session.query(
        "SELECT has_table_privilege('pg_catalog.pg_file_settings', 'SELECT') AND "
        "has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE')");
    if (!allowed.boolean(0, 0)) {
        co_return names;
    }
    const result rows =
        co_await session.query("SELECT DISTINCT name FROM pg_file_settings WHERE strpos(name, '.') > 0 ORDER BY 1");
    for (int row = 0; row < rows.rows(); ++row) {
        names.push_back(rows.text(row, 0));
    }
    co_return names;
}

}  // namespace

std::vector<std::string> custom_names_in_options(const std::string& options) {
    std::vector<std::string> names;
    bool expected = false;  // by a -c before it
    for (const std::string& word : words_of(options)) {
        std::string setting;
        if (expected) {
            setting = word;
        } else if (word.rfind("--", 0) == 0 || word.rfind("-c", 0) == 0) {
            setting = word.substr(2);
        }
        expected = !expected && word == "-c";
        std::string name = setting.substr(0, setting.find('='));
        std::replace(name.begin(), name.end(), '-', '_');
        if (is_custom(name) && setting.find('=') != std::string::npos) {
            names.push_back(std::move(name));
        }
    }
    return names;
}

void session_profile::set(std::string name, std::string value) {
    const auto known =
        std::find_if(settings_.begin(), settings_.end(), [&](const auto& each) { return each.first == name; });
    if (known != settings_.end()) {
        known->second = std::move(value);
    } else {
        settings_.emplace_back(std::move(name), std::move(value));
    }
}

namespace {

/// A setting of a library turns out to be a superuser's as soon as the library is loaded, which is after it was read.
/// It is mostly as it should be anyway; else it is left as it is.
std::string set_if_allowed(const std::string& name, const std::string& value) {
    return fmt::format(
        "CASE WHEN pg_catalog.current_setting({0}, true) IS DISTINCT FROM {1} AND NOT EXISTS (SELECT FROM "
        "pg_catalog.pg_settings p WHERE pg_catalog.lower(p.name) = pg_catalog.lower({0}) AND p.context <> 'user') THEN "
        "pg_catalog.set_config({0}, {1}, false) END",
        quote_literal(name), quote_literal(value));
}

}  // namespace

std::string session_profile::sql() const {
    std::vector<std::string> calls;
    for (const auto& [name, value] : settings_) {
        calls.push_back(is_custom(name) ? set_if_allowed(name, value)
                                        : fmt::format("pg_catalog.set_config({}, {}, false)", quote_literal(name),
                                                      quote_literal(value)));
    }
    return "SELECT " + join(calls, ", ");
}

std::string session_profile::display() const {
    std::string text;
    for (const auto& [name, value] : settings_) {
        text += is_custom(name) ? fmt::format("-- SET {}: its value is kept and not shown\n", name)
                                : fmt::format("SET {} TO {};\n", name, quote_literal(value));
    }
    return text;
}

std::string session_profile::set_local(const std::string& name) const {
    const auto known =
        std::find_if(settings_.begin(), settings_.end(), [&](const auto& each) { return each.first == name; });
    return fmt::format("SET LOCAL {} TO {}", name, known == settings_.end() ? "DEFAULT" : quote_literal(known->second));
}

awaitable<session_profile> read_profile(connection& session) {
    std::vector<std::string> names = custom_names_in_options(session.options().get("options"));
    const std::vector<std::string> in_files = co_await custom_names_in_files(session);
    names.insert(names.end(), in_files.begin(), in_files.end());
    const result rows = co_await session.query(profile_sql, array_literal(names));
    session_profile found;
    for (int row = 0; row < rows.rows(); ++row) {
        found.set(rows.text(row, 0), rows.text(row, 1));
    }
    co_return found;
}

}  // namespace pgeist::pg
