#include "pgeist/transfer/touched.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "pgeist/transfer/image.hpp"
#include "pgeist/walk/key_sql.hpp"

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

bool holds_what_was_brought(const spec& transfer, std::size_t place) {
    const column& of = transfer.columns.at(place);
    const auto is_watched = [&](const std::string& name) {
        return std::any_of(of.watched.begin(), of.watched.end(),
                           [&](const watched_column& each) { return each.name == name; });
    };
    return is_held(of) && of.expression &&
           std::any_of(transfer.read_columns.begin(), transfer.read_columns.end(), [&](const std::string& name) {
               return !name.empty() && !is_watched(name) &&
                      of.expression->find(quote_identifier(name)) != std::string::npos;
           });
}

namespace {

/// The bit of the column that holds what came from `name`, if what nothing gives is noted of it.
std::optional<std::size_t> held_bit(const spec& transfer, const std::string& read_name, const std::string& name) {
    for (std::size_t place = 0; place < transfer.columns.size(); ++place) {
        const column& each = transfer.columns[place];
        if (each.read_name == read_name && each.name == name && is_held(each)) {
            return touched_bit(transfer, place);
        }
    }
    return std::nullopt;
}

}  // namespace

std::string take_over_sql(const spec& from, const spec& to) {
    if (!logs_touched(from) || !logs_touched(to)) {
        return "";
    }
    std::vector<std::string> held(touched_bits(to) - 1, "NULL");
    std::vector<std::string> known;
    for (const column& each : from.columns) {
        const auto bit = each.read_name ? held_bit(from, *each.read_name, each.name) : std::nullopt;
        const auto next = each.read_name ? held_bit(to, each.name, *each.read_name) : std::nullopt;
        if (bit && next) {  // the digests of both sides, which have changed places
            const std::string noted = fmt::format("x.held[{}]", *bit);
            held[*next - 1] = fmt::format("right({0}, 32) || left({0}, 32)", noted);
            known.push_back(noted + " IS NOT NULL");
        }
    }
    if (known.empty()) {
        return "";
    }
    std::vector<std::string> keys;
    for (const walk::key_column& each : to.key.columns) {
        keys.push_back(fmt::format("CAST(x.k{} AS {})", keys.size() + 1, each.type));
    }
    const std::string taking = fmt::format(
        "BEGIN IF to_regclass({}) IS NOT NULL THEN INSERT INTO {} ({}, made, touched, held) SELECT {}, false, {}, "
        "ARRAY[{}]::text[] FROM {} AS x WHERE {}; END IF; END",
        quote_literal(from.since().sql()), to.since().sql(), walk::log_columns(to.key), join(keys, ", "),
        none_touched(to), join(held, ", "), from.since().sql(), join(known, " OR "));
    return "DO " + quote_literal(taking) + "; ";
}

}  // namespace pgeist::transfer
