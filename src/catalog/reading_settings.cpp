#include "pgeist/catalog/reading_settings.hpp"

namespace pgeist::catalog {

namespace {

/// What reading_settings has changed.
std::string own_style(const pg::connection& conn) {
    const pg::session_profile& own = conn.profile();
    return own.set_local("DateStyle") + "; " + own.set_local("IntervalStyle") + "; " +
           own.set_local("extra_float_digits");
}

}  // namespace

std::string session_settings(const pg::connection& conn) {
    return "SET LOCAL search_path TO pg_catalog; SET LOCAL array_nulls TO on; " + own_style(conn);
}

std::string user_settings(const pg::connection& conn) {
    return "SET LOCAL search_path TO DEFAULT; " + conn.profile().set_local("array_nulls") + "; " + own_style(conn);
}

}  // namespace pgeist::catalog
