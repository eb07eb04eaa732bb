#include "pgeist/transfer/touched.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "pgeist/transfer/image.hpp"

namespace pgeist::transfer {

namespace {

std::string changed(const watched_column& of) {
    const std::string name = quote_identifier(of.name);
    return image_differs(of.type, "OLD." + name, "NEW." + name);
}

std::string one_changed(const column& of) {
    std::vector<std::string> conditions;
    for (const watched_column& each : of.watched) {
        conditions.push_back(changed(each));
    }
    return join(conditions, " OR ");
}

std::string literal(char first, char others, std::size_t bits) {
    return fmt::format("B'{}{}'", first, std::string(bits - 1, others));
}

}  // namespace

bool logs_touched(const spec& transfer) {
    return transfer.mode == replay_mode::keep &&
           std::any_of(transfer.columns.begin(), transfer.columns.end(),
                       [](const column& each) { return !each.watched.empty() || each.remembered; });
}

std::size_t touched_bits(const spec& transfer) {
    const auto watched = std::count_if(transfer.columns.begin(), transfer.columns.end(),
                                       [](const column& each) { return !each.watched.empty(); });
    return 1 + static_cast<std::size_t>(watched);
}

std::optional<std::size_t> touched_bit(const spec& transfer, std::size_t place) {
    std::optional<std::size_t> bit;
    if (transfer.mode == replay_mode::keep && !transfer.columns.at(place).watched.empty()) {
        bit = 1;
        for (std::size_t at = 0; at < place; ++at) {
            *bit += transfer.columns[at].watched.empty() ? 0 : 1;
        }
    }
    return bit;
}

std::string none_touched(const spec& transfer) { return literal('0', '0', touched_bits(transfer)); }

std::string all_touched(const spec& transfer) { return literal('0', '1', touched_bits(transfer)); }

std::string unknown_touched(const spec& transfer) { return literal('1', '0', touched_bits(transfer)); }

std::string touched_by_change(const spec& transfer) {
    std::string bits = "B'0'";
    for (const column& each : transfer.columns) {
        if (!each.watched.empty()) {
            bits += fmt::format(" || CASE WHEN {} THEN B'1' ELSE B'0' END", one_changed(each));
        }
    }
    return bits;
}

std::string touches(const spec& transfer) {
    std::set<std::string> seen;
    std::vector<std::string> conditions;
    for (const column& each : transfer.columns) {
        for (const watched_column& watched : each.watched) {
            if (seen.insert(watched.name).second) {
                conditions.push_back(changed(watched));
            }
        }
    }
    return conditions.empty() ? "false" : join(conditions, " OR ");
}

std::string asked_column(const spec& transfer) { return logs_touched(transfer) ? ", touched" : ""; }

std::string asked_value(const spec& transfer) { return logs_touched(transfer) ? ", " + unknown_touched(transfer) : ""; }

bool is_held(const column& of) { return of.remembered && of.compared && of.inverse && !of.proven && !of.kept; }

}  // namespace pgeist::transfer
