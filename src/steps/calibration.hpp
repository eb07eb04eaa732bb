#pragma once

#include <string>

#include "pgeist/pg/connection.hpp"
#include "pgeist/probe/effect.hpp"

/// Estimates know the size of a table, and what PostgreSQL usually does in a second. What this server does, the steps
/// of earlier jobs tell, as long as they are stored.
namespace pgeist::steps {

/// How many times as long as estimated work of one kind takes here.
struct pace {
    double factor = 1;
    int steps = 0;  ///< that say so; 0: it is not known
};

struct paces {
    pace rewrite;
    pace build;
    pace scan;

    /// The one that counts for most of what is done; none for a query, whose time is mostly that of the rows it writes,
    /// and which nothing bounds.
    [[nodiscard]] pace of(const probe::effect& does) const;
};

/// The median of the last steps of each kind; the shortest say nothing.
[[nodiscard]] awaitable<paces> read_paces(pg::connection& session);

/// Corrects the time that work takes, and the time others wait for it.
void correct(probe::effect& does, const pace& by);

/// ` (by what 7 earlier steps of the kind took here)`, to stand behind a time; empty where nothing is known.
[[nodiscard]] std::string described(const pace& known);

}  // namespace pgeist::steps
