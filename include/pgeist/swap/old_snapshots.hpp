#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::swap {

/// The snapshots of the database that existed at one moment. The shadow's rows carry pgeist's transaction ids: a
/// REPEATABLE READ transaction whose snapshot is older than they are, and that first touches the table after the swap,
/// would not see them. So the swap waits for these to go.
class old_snapshots {
public:
    enum class of {
        everybody,
        those_who_go_on
    };  ///< the latter: not of a single statement that is its own transaction

    /// Remembers the snapshots held now by client sessions of this database, this session left out.
    [[nodiscard]] static awaitable<old_snapshots> taken_now(pg::connection& session, of whom = of::everybody);

    /// Who holds one at this moment between two statements: whatever he reads next he reads by it.
    [[nodiscard]] static awaitable<std::vector<report::blocker>> held_between_statements(pg::connection& session);

    /// Which of them are still held. Those that have gone are forgotten. When all have, and one of them was seen
    /// between its statements, whoever may have imported its snapshot in time (pg_export_snapshot: whose xmin comes no
    /// later) is waited for as well.
    [[nodiscard]] awaitable<std::vector<report::blocker>> still_held(pg::connection& session);

private:
    struct holder {
        std::string pid;
        std::string transaction;  ///< when it began: as long as it is the same one, and old, so may its snapshot be
        bool operator==(const holder&) const = default;
    };
    enum class whose { of_known, of_anybody };
    void note_state(const std::string& state);
    [[nodiscard]] awaitable<std::vector<report::blocker>> look(pg::connection& session, whose wanted);

    std::vector<holder> holders_;
    std::string limit_;  ///< no snapshot whose xmin is later than this transaction is old
    bool may_be_imported_ = false;
    bool importers_too_ = false;
};

}  // namespace pgeist::swap
