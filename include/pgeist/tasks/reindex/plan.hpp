#pragma once

#include <cstdint>
#include <string>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/session_profile.hpp"

namespace pgeist::reindex {

/// What a job needs to know besides its steps. Names as in the plans of other kinds, by which job/ asks whose table it
/// is.
struct plan {
    qualified_name table;
    std::int64_t source_oid = 0;
    pg::session_profile profile;
    std::int64_t file = 0;   ///< of the table, where the whole of it is rewritten: its relfilenode before
    std::int64_t bytes = 0;  ///< that it took then, with indexes and TOAST
};

[[nodiscard]] std::string to_json(const plan& what);
/// @throws error when it cannot be read
[[nodiscard]] plan plan_from_json(const std::string& text);

}  // namespace pgeist::reindex
