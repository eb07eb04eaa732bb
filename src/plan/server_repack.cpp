#include "pgeist/plan/server_repack.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/described_json.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/core/units.hpp"

namespace pgeist::plan {

std::string describe(const server_repack& what) {
    std::string text = fmt::format("  {};\n", what.statement);
    if (!what.refusals.empty()) {
        return text + fmt::format("      would be refused: {}\n", join(what.refusals, "; "));
    }
    text += "      for it: faster, less WAL, a shorter lock; no triggers; the table keeps its OID\n";
    text += fmt::format(
        "      against it: nothing is verified, throttled or paused; if it ends early all of it ({}) begins anew; its "
        "last "
        "lock is waited for without a timeout, with everybody behind it\n",
        format_size(what.bytes));
    text += what.old_snapshots.empty()
                ? "      snapshots: none is held now; one taken before its end sees an empty table, without an error\n"
                : fmt::format("      snapshots: would see an empty table afterwards, without an error: {}\n",
                              join(what.old_snapshots, "; "));
    if (what.replicas > 0) {
        text += fmt::format("      replicas: {}, for whose lag it does not slow down\n", what.replicas);
    }
    return text;
}

std::string describe_json(const server_repack& what) {
    const boost::json::object object{
        {"statement", what.statement},
        {"refusals", described_json::write(what.refusals)},
        {"old_snapshots", described_json::write(what.old_snapshots)},
        {"bytes", what.bytes},
        {"replicas", what.replicas},
    };
    return boost::json::serialize(object);
}

}  // namespace pgeist::plan
