#include "pgeist/plan/blueprint.hpp"

namespace pgeist::plan {

transfer::spec blueprint::transfer() const {
    transfer::spec out;
    out.read = {table, source_oid};
    out.write = {shadow(), shadow_oid};
    out.schema = job_schema;
    out.key = key;
    out.heap_order = heap_order;
    out.order = order;
    out.columns = columns;
    out.row_triggers = row_triggers;
    out.fingerprint = fingerprint;
    out.fingerprint_parts = fingerprint_parts;
    return out;
}

}  // namespace pgeist::plan
