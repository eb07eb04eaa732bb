#pragma once

#include <array>

/// The phases of a run as a plan shows them; the order is that of the run.
namespace pgeist::plan {

struct phase_note {
    const char* name;
    const char* what;
    const char* lock;  ///< on the source table
};

inline constexpr std::array<phase_note, 10> phase_notes{{
    {"prepare", "make the empty shadow table", "ACCESS SHARE, momentarily"},
    {"capture", "log the keys of changed rows, by triggers", "SHARE ROW EXCLUSIVE, momentarily, with retries"},
    {"copy", "copy the rows in chunks along the key", "ACCESS SHARE for each chunk"},
    {"key", "build the key's index", "none"},
    {"replay", "apply the logged changes up to a consistent point", "ACCESS SHARE for each batch"},
    {"build", "build all other indexes, VACUUM ANALYZE", "none"},
    {"replay", "apply the changes made meanwhile", "ACCESS SHARE for each batch"},
    {"verify", "compare both tables, chunk by chunk", "ACCESS SHARE for each chunk"},
    {"swap", "apply the last changes, exchange the tables", "ACCESS EXCLUSIVE, milliseconds, with retries"},
    {"finish", "validate foreign keys, remove what is not needed any more", "weak locks only"},
}};

}  // namespace pgeist::plan
