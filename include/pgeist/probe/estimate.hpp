#pragma once

#include "pgeist/ddl/statement.hpp"
#include "pgeist/probe/effect.hpp"
#include "pgeist/probe/schema.hpp"

namespace pgeist::probe {

/// Fills in bytes, work_ms and blocks_ms from the sizes that are known: an order of magnitude, for a server of no
/// particular speed. Left empty where the size of one of the relations is not known.
void estimate(effect& of, const ddl::statement& what, const schema& before);

}  // namespace pgeist::probe
