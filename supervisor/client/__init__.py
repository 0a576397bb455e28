"""The side that submits: connections, the queue proxy, the asyncio client."""
