#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/probe/effect.hpp"
#include "pgeist/probe/schema.hpp"

/// What a server has said, as values: rules look at it without asking again.
namespace pgeist::lint {

/// What was found out about one statement.
struct answer {
    std::optional<probe::effect> tried;  ///< nothing: the rules answer, by what is in the catalogs
    std::string why_not;                 ///< it was not tried
    /// Relations that an earlier statement of the trial had locked already: their locks are those of the rules.
    std::vector<std::string> locked_before;
    std::optional<probe::failure> fails;  ///< of its plain twin, where only that could be tried (CONCURRENTLY)
    std::optional<bool> accepted;         ///< by the server's parser, where pgeist's does not read the statement
    std::string rejected;                 ///< what the server's parser says
};

/// Another session, or a prepared transaction.
struct bystander {
    std::string who;                ///< pid, user and application
    std::optional<double> seconds;  ///< how long its transaction has been open; empty where the role may not see it
    bool old_snapshot = false;      ///< CREATE INDEX CONCURRENTLY waits for it
    struct held {
        std::string relation;
        probe::lock_mode mode = probe::lock_mode::none;
    };
    std::vector<held> locks;  ///< granted, on relations that the files name
    std::string building;     ///< the index that it is building
};

struct server_facts {
    probe::schema schema;  ///< as it was when the server was asked
    std::string address;   ///< host, port, user and database
    bool standby = false;
    std::string nothing_tried;  ///< why nothing at all was tried; empty: it was
    bool pooler = false;        ///< one that hands statements to different sessions may stand in between
    std::vector<bystander> others;
    std::int64_t lock_timeout = 0;  ///< of the role in this database, in ms; 0: none
    std::int64_t statement_timeout = 0;
    int standbys = 0;             ///< that replay what this server does
    int logical_slots = 0;        ///< of this database
    std::int64_t lock_slots = 0;  ///< for all transactions together
    std::int64_t kept_wal = -1;   ///< max_slot_wal_keep_size in bytes; -1: no limit
};

}  // namespace pgeist::lint
