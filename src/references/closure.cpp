#include "pgeist/references/closure.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "pgeist/ddl/over_column.hpp"

namespace pgeist::references {

namespace {

using place = std::pair<std::int64_t, int>;

place of(const column& what) { return {what.table_oid, what.number}; }

class walk {
public:
    explicit walk(const std::vector<reference>& all) : all_(&all) {}

    closure from(const std::vector<type_change>& changes) {
        for (const type_change& each : changes) {
            reached_.emplace(place{each.table_oid, each.number}, each);
            next_.push_back(each);
        }
        while (!next_.empty()) {
            const type_change now = next_.front();
            next_.pop_front();
            for (const reference& each : *all_) {
                if (of(each.to) == place{now.table_oid, now.number}) {
                    lead(now, each);
                }
            }
        }
        return std::move(made_);
    }

private:
    void lead(const type_change& key, const reference& by) {
        const auto known = reached_.find(of(by.from));
        if (known != reached_.end()) {
            if (!key.found_type.empty() && known->second.found_type != key.found_type) {
                refuse(fmt::format("{} would have to be {}, and {} as well", by.from.display(),
                                   known->second.found_type, key.found_type),
                       "change both keys to the same type");
            }
            return;
        }
        type_change same = key;
        same.table_oid = by.from.table_oid;
        same.number = by.from.number;
        same.column = by.from.name;
        const bool same_collation = !key.collation || *key.collation == by.from.collation;
        if (by.from.type == key.found_type && same_collation) {
            same.conversion.reset();
            reached_.emplace(of(by.from), same);
            next_.push_back(std::move(same));
            return;
        }
        follower made;
        if (key.conversion) {
            const auto moved = ddl::over_column(*key.conversion, key.column, by.from.name);
            if (!moved) {
                refuse(fmt::format("USING {} is no expression over {} alone: it cannot be said what {} becomes",
                                   *key.conversion, key.column, by.from.display()),
                       fmt::format("say it: --table {} --alter \"ALTER COLUMN {} TYPE {} USING …\"",
                                   by.from.table.display(), ddl::sql_name(by.from.name), key.type));
                reached_.emplace(of(by.from), same);
                return;
            }
            same.conversion = moved->text;
            made.functions = moved->functions;
        }
        require_changeable(by);
        made.what = by.from;
        made.from = by.to.display();
        made.because =
            fmt::format("foreign key {} ({}) refers to {}", display_identifier(by.constraint), by.from.name, made.from);
        made.clause = fmt::format("ALTER COLUMN {} TYPE {}", ddl::sql_name(by.from.name), key.type);
        made.clause += same.conversion ? " USING " + *same.conversion : "";
        made_.followers.push_back(std::move(made));
        reached_.emplace(of(by.from), same);
        next_.push_back(std::move(same));
    }

    void require_changeable(const reference& by) {
        if (by.from.kind == 'p') {
            refuse(
                fmt::format("{} is partitioned, and cannot be copied: its column {}, which refers to {} by foreign "
                            "key {}, cannot be changed with it",
                            by.from.table.display(), by.from.name, by.to.display(), display_identifier(by.constraint)),
                "change the key without --with-references where the two types may refer to each other, or drop the "
                "foreign key for the time of the run");
        } else if (by.from.inherited) {
            refuse(
                fmt::format("{} has its column {} from a parent, where alone its type can be changed; by foreign "
                            "key {} it refers to {}",
                            by.from.table.display(), by.from.name, display_identifier(by.constraint), by.to.display()),
                "change the key without --with-references where the two types may refer to each other, or drop the "
                "foreign key for the time of the run");
        }
    }

    void refuse(std::string message, std::string hint) {
        made_.obstacles.push_back({std::move(message), std::move(hint)});
    }

    const std::vector<reference>* all_;
    std::map<place, type_change> reached_;
    std::deque<type_change> next_;
    closure made_;
};

}  // namespace

std::string column::display() const { return fmt::format("{} ({})", table.display(), display_identifier(name)); }

closure follow(const std::vector<type_change>& changes, const std::vector<reference>& all) {
    return walk(all).from(changes);
}

std::vector<std::vector<std::size_t>> tied(const std::vector<std::int64_t>& tables, const std::vector<tie>& ties) {
    std::vector<std::size_t> head(tables.size());
    std::iota(head.begin(), head.end(), 0U);
    const auto root = [&](std::size_t at) {
        while (head[at] != at) {
            at = head[at];
        }
        return at;
    };
    const auto index_of = [&](std::int64_t table) {
        return static_cast<std::size_t>(std::find(tables.begin(), tables.end(), table) - tables.begin());
    };
    for (const tie& each : ties) {
        const std::size_t one = index_of(each.one);
        const std::size_t other = index_of(each.other);
        if (one < tables.size() && other < tables.size()) {
            const std::size_t a = root(one);
            const std::size_t b = root(other);
            head[std::max(a, b)] = std::min(a, b);
        }
    }
    std::map<std::size_t, std::vector<std::size_t>> groups;
    for (std::size_t at = 0; at < tables.size(); ++at) {
        groups[root(at)].push_back(at);
    }
    std::vector<std::vector<std::size_t>> all;
    for (auto& [first, members] : groups) {
        all.push_back(std::move(members));
    }
    return all;
}

std::string singular(const std::string& text) {
    const auto without = [&](std::size_t letters) { return text.substr(0, text.size() - letters); };
    if (text.size() > 3 && text.ends_with("ies")) {
        return without(3) + "y";
    }
    for (const char* ending : {"sses", "xes", "ches", "shes"}) {
        if (text.size() > 4 && text.ends_with(ending)) {
            return without(2);
        }
    }
    return text.size() > 2 && text.ends_with('s') && !text.ends_with("ss") ? without(1) : text;
}

}  // namespace pgeist::references
