#include <algorithm>

#include "rule.hpp"

namespace pgeist::lint {

const std::vector<rule>& all_rules() {
    static const std::vector<rule> all = [] {
        std::vector<rule> list;
        for (const auto* family : {&column_rules(), &type_rules(), &constraint_rules(), &index_rules(),
                                   &partition_rules(), &transaction_rules(), &application_rules(), &maintenance_rules(),
                                   &outcome_rules(), &server_rules(), &engine_rules()}) {
            list.insert(list.end(), family->begin(), family->end());
        }
        return list;
    }();
    return all;
}

const std::vector<rule_text>& rule_texts() {
    static const std::vector<rule_text> texts = [] {
        std::vector<rule_text> list;
        for (const rule& each : all_rules()) {
            list.push_back(each.text);
        }
        std::sort(list.begin(), list.end(), [](const rule_text& a, const rule_text& b) { return a.name < b.name; });
        return list;
    }();
    return texts;
}

const rule_text* find_rule(std::string_view name) {
    const auto& all = rule_texts();
    const auto found = std::find_if(all.begin(), all.end(), [&](const rule_text& each) { return each.name == name; });
    return found == all.end() ? nullptr : &*found;
}

}  // namespace pgeist::lint
