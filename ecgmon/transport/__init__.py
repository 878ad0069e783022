"""MQTT: connection, topics and payload codecs; the only place that imports paho."""
