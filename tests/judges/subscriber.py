"""A downstream program: binds a queue of its own to the public exchange and prints what it gets.

usage: subscriber.py AMQP_URL

Written with nothing of the hub's: `pika` speaks to the broker, the CloudEvents project's own
library reads the messages. Prints `bound`, then one JSON object a line for each event.
"""

import json
import sys

import pika
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_structured
from cloudevents.core.formats.json import JSONFormat

EXCHANGE = "passerelle.public"


def heard(channel, method, properties, body):
    message = RabbitMQMessage(
        headers=properties.headers or {}, content_type=properties.content_type, body=body
    )
    kind = (message.content_type or "").split(";")[0]
    assert kind == JSONFormat.CONTENT_TYPE, message.content_type
    event = from_structured(message, JSONFormat())
    assert properties.message_id == event.get_id()
    line = {
        "id": event.get_id(),
        "type": event.get_type(),
        "subject": event.get_subject(),
        "sequence": event.get_extension("sequence"),
        "key": method.routing_key,
        "data": event.get_data(),
    }
    print(json.dumps(line), flush=True)
    channel.basic_ack(method.delivery_tag)


channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()
# The same declaration as the hub's: whoever comes first makes it.
channel.exchange_declare(EXCHANGE, "topic", durable=True)
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, EXCHANGE, "vacancy.*")
channel.basic_consume(queue, heard)
print("bound", flush=True)
channel.start_consuming()
