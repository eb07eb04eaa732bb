#include "pgeist/plan/revert_plan.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/catalog/table_json.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"

namespace pgeist::plan {

namespace {

namespace json = boost::json;

/// The columns travel as those of a transfer that nobody makes.
std::string columns_text(const std::vector<column>& columns) {
    transfer::spec holder;
    holder.columns = columns;
    return to_json(holder);
}

using pairs_of_text = std::vector<std::pair<std::string, std::string>>;

json::array to_array(const pairs_of_text& pairs) {
    json::array stored;
    for (const auto& [first, second] : pairs) {
        stored.push_back(json::array{json::string(first), json::string(second)});
    }
    return stored;
}

pairs_of_text pairs_from(const json::value& stored) {
    pairs_of_text pairs;
    for (const json::value& pair : stored.as_array()) {
        pairs.emplace_back(std::string(pair.as_array().at(0).as_string()),
                           std::string(pair.as_array().at(1).as_string()));
    }
    return pairs;
}

json::array to_array(const std::vector<led_text>& texts) {
    json::array stored;
    for (const led_text& each : texts) {
        json::array schemas;
        for (const std::string& schema : each.schemas) {
            schemas.push_back(json::string(schema));
        }
        json::object one;
        one["object"] = each.object;
        one["text"] = each.text;
        one["schemas"] = std::move(schemas);
        one["asked"] = each.asked;
        one["since"] = each.since;
        stored.push_back(std::move(one));
    }
    return stored;
}

std::vector<led_text> texts_from(const json::value& stored) {
    std::vector<led_text> texts;
    for (const json::value& one : stored.as_array()) {
        led_text each;
        each.object = std::string(one.as_object().at("object").as_string());
        each.text = std::string(one.as_object().at("text").as_string());
        for (const json::value& schema : one.as_object().at("schemas").as_array()) {
            each.schemas.emplace_back(schema.as_string());
        }
        each.asked = std::string(one.as_object().at("asked").as_string());
        each.since = std::string(one.as_object().at("since").as_string());
        texts.push_back(std::move(each));
    }
    return texts;
}

}  // namespace

std::string commented_key(const std::string& kind, const std::string& name) {
    return name.empty() ? kind : kind + " " + name;
}

std::string to_json(const revert_plan& value) {
    json::object stored;
    stored["leg"] = value.leg;
    stored["back"] = json_from(to_json(value.back));
    stored["first"] = json_from(to_json(value.first));
    stored["there"] = json_from(columns_text(value.there));
    stored["waiting"] = json_from(catalog::to_json(value.waiting));
    json::array parts;
    for (const std::string& part : value.waiting_parts) {
        parts.push_back(json::string(part));
    }
    stored["waiting_parts"] = std::move(parts);
    stored["in_use"] = to_array(value.in_use);
    stored["comments"] = to_array(value.comments);
    stored["texts"] = to_array(value.texts);
    json::array pairs;
    for (const auto& [old_number, new_number] : value.same_columns) {
        pairs.push_back(json::array{old_number, new_number});
    }
    stored["same_columns"] = std::move(pairs);
    stored["take_over"] = value.take_over;
    stored["last_swap"] = value.last_swap ? json_from(to_json(*value.last_swap)) : json::value(nullptr);
    return json::serialize(stored);
}

std::string to_json(const revert_plan& value, const revert_plan& next) {
    json::value stored = json_from(to_json(value));
    stored.as_object()["next"] = json_from(to_json(next));
    return json::serialize(stored);
}

revert_plan revert_plan_from_json(const std::string& text) {
    try {
        const json::value parsed = json_from(text);
        const json::object& stored = parsed.as_object();
        revert_plan value;
        value.leg = static_cast<int>(stored.at("leg").to_number<std::int64_t>());
        value.back = transfer_from_json(json::serialize(stored.at("back")));
        value.first = transfer_from_json(json::serialize(stored.at("first")));
        value.there = transfer_from_json(json::serialize(stored.at("there"))).columns;
        value.waiting = catalog::table_from_json(json::serialize(stored.at("waiting")));
        if (const auto* parts = stored.if_contains("waiting_parts")) {
            for (const json::value& part : parts->as_array()) {
                value.waiting_parts.emplace_back(part.as_string());
            }
        }
        value.in_use = pairs_from(stored.at("in_use"));
        if (const auto* comments = stored.if_contains("comments")) {
            value.comments = pairs_from(*comments);
        }
        if (const auto* texts = stored.if_contains("texts")) {
            value.texts = texts_from(*texts);
        }
        for (const json::value& pair : stored.at("same_columns").as_array()) {
            value.same_columns.emplace_back(static_cast<int>(pair.as_array().at(0).to_number<std::int64_t>()),
                                            static_cast<int>(pair.as_array().at(1).to_number<std::int64_t>()));
        }
        if (const auto* take_over = stored.if_contains("take_over")) {
            value.take_over = std::string(take_over->as_string());
        }
        if (!stored.at("last_swap").is_null()) {
            value.last_swap = blueprint_from_json(json::serialize(stored.at("last_swap")));
        }
        return value;
    } catch (const std::exception& broken) {
        throw error(exit_code::failed, fmt::format("the stored way back cannot be read: {}", broken.what()),
                    "use the version of pgeist that started the job");
    }
}

}  // namespace pgeist::plan
