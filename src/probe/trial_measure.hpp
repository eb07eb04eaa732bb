#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "trial_stage.hpp"

/// What changed in the session's temporary schema, and what that means.
namespace pgeist::probe {

struct seen_relation {
    std::string name;
    char kind = 'r';
    std::int64_t file = 0;   ///< relfilenode: another one means that the relation was written anew
    std::int64_t table = 0;  ///< of an index
    std::int64_t scans = 0;  ///< sequential scans that this transaction has begun
};

struct seen_key {
    std::string name;
    std::int64_t table = 0;
    std::int64_t referenced = 0;
    bool validated = true;
};

struct seen_lock {
    std::int64_t oid = 0;
    lock_mode mode = lock_mode::none;
    bool of_type = false;
    friend bool operator==(const seen_lock&, const seen_lock&) = default;
};

struct snapshot {
    std::map<std::int64_t, seen_relation> relations;
    std::map<std::int64_t, seen_key> keys;  ///< foreign keys
    std::map<std::int64_t, std::string> types;
    std::vector<seen_lock> locks;
};

/// @throws not_tried when a lock is held that no trial may take
[[nodiscard]] awaitable<snapshot> look(stage& at);

/// Reads what a statement has done from the difference, and from what the server said meanwhile.
[[nodiscard]] effect effect_of(const stage& at, const std::string& statement, const snapshot& before,
                               const snapshot& after, const std::vector<pg::notice>& notices);

/// What may be the reason that the statement fails.
[[nodiscard]] std::vector<dependent> in_the_way_of(const stage& at, const std::string& statement,
                                                   const snapshot& before);

}  // namespace pgeist::probe
