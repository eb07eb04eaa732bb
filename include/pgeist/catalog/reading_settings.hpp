#pragma once

#include <string>

#include "pgeist/pg/connection.hpp"

namespace pgeist::catalog {

// Local settings for one transaction. Definitions that the server prints hold constants, and constants are printed as
// DateStyle and its like say; what is stored with a job must be read back the same in another session.

/// For reading definitions: every name comes out qualified, every constant in a form that reads back the same anywhere.
/// The readers' statements are long, and find a few rows by their OIDs: they are planned once for a session.
inline constexpr const char* reading_settings =
    "SET LOCAL search_path TO pg_catalog; SET LOCAL DateStyle TO 'ISO'; SET LOCAL IntervalStyle TO 'postgres'; "
    "SET LOCAL extra_float_digits TO 1; SET LOCAL array_nulls TO on; SET LOCAL plan_cache_mode TO force_generic_plan";

/// What pgeist's sessions have otherwise where they read such definitions: pinned names, values as the session's
/// profile has them, except that a bare NULL in an array is what the server means by it when it prints one.
[[nodiscard]] std::string session_settings(const pg::connection& conn);

/// As the user's own sessions are: for SQL that the user wrote.
[[nodiscard]] std::string user_settings(const pg::connection& conn);

}  // namespace pgeist::catalog
