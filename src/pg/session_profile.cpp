#include "pgeist/pg/session_profile.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::pg {

namespace {

// Settings with a dot are listed nowhere while the library that they belong to is not loaded, except where they were
// given to a role or a database. Those that only superusers may set are no matter of values, and could not be set
// again.
constexpr const char* profile_sql = R"sql(
    SELECT name, setting FROM pg_settings
     WHERE lower(name) IN ('timezone', 'timezone_abbreviations', 'datestyle', 'intervalstyle', 'lc_monetary', 'lc_numeric',
                           'lc_time', 'bytea_output', 'extra_float_digits', 'xmloption', 'xmlbinary', 'array_nulls',
                           'default_text_search_config', 'backslash_quote', 'transform_null_equals',
                           'default_toast_compression')
    UNION ALL
    SELECT DISTINCT given.name, current_setting(given.name, true)
      FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS one
     CROSS JOIN LATERAL (SELECT split_part(one, '=', 1) AS name) AS given
     WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
       AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
       AND strpos(given.name, '.') > 0 AND current_setting(given.name, true) IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_settings p WHERE lower(p.name) = lower(given.name) AND p.context <> 'user')
     ORDER BY 1)sql";

bool is_custom(const std::string& name) { return name.find('.') != std::string::npos; }

}  // namespace

void session_profile::set(std::string name, std::string value) {
    const auto known =
        std::find_if(settings_.begin(), settings_.end(), [&](const auto& each) { return each.first == name; });
    if (known != settings_.end()) {
        known->second = std::move(value);
    } else {
        settings_.emplace_back(std::move(name), std::move(value));
    }
}

std::string session_profile::sql() const {
    std::vector<std::string> calls;
    for (const auto& [name, value] : settings_) {
        calls.push_back(fmt::format("pg_catalog.set_config({}, {}, false)", quote_literal(name), quote_literal(value)));
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
    const result rows = co_await session.query(profile_sql);
    session_profile found;
    for (int row = 0; row < rows.rows(); ++row) {
        found.set(rows.text(row, 0), rows.text(row, 1));
    }
    co_return found;
}

}  // namespace pgeist::pg
